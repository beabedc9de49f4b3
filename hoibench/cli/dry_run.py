"""``--dry-run``: the work, time, disk space and weights that a run needs."""

from __future__ import annotations

import json
import shutil
from typing import Any

from hoibench.datasets.base import Dataset
from hoibench.evaluation.build_run_record import RunRefused, check_resumable
from hoibench.evaluation.plan import Plan
from hoibench.predictions import is_complete, prediction_folder, read_prediction_record
from hoibench.problems import Problem
from hoibench.weights import WeightsMissing, find_weights


def describe(plan: Plan, dataset: Dataset) -> str:
    """Describe what a run needs, as lines of text or, with ``--json``, as one JSON object."""
    facts = estimate(plan, dataset)
    return json.dumps(facts) if plan.config.json else format_facts(facts)


def estimate(plan: Plan, dataset: Dataset) -> dict[str, Any]:
    """Estimate what a run needs, as plain JSON values; None means unknown.

    ``seconds_left`` covers only generating.  ``max_bytes`` is the uncompressed size of all videos and tracks; point maps and masks, whose
    size only the method knows, are not included.  ``weights`` has each file's path, or a message if the file is missing.
    """
    out = plan.out
    folders = [unit.prediction_folder(out) for unit in plan.units]
    seconds = [read_prediction_record(folder).seconds or 0.0 for folder in folders if is_complete(folder)]
    seconds_per_unit = sum(seconds) / len(seconds) if seconds else None
    parent = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free_bytes, max_bytes, weights = shutil.disk_usage(parent).free, _max_bytes(plan, dataset), _find_weights(plan)
    problems = [*_missing_weights(weights), *_missing_predictions(plan)]
    if max_bytes is not None and max_bytes > free_bytes:
        fix = "free some space, or give another --out"
        problems.append(Problem(str(parent), "", f"has {free_bytes} bytes free", f"up to {max_bytes}", fix))
    try:
        check_resumable(plan)
    except RunRefused as error:
        problems.append(Problem(str(out), "", "cannot be resumed", "", str(error)))
    return {
        "out": str(out),
        "exists": out.exists(),
        "split": plan.manifest.split,
        "split_id": plan.manifest.split_id,
        "clip_set_id": plan.clip_set_id,
        "clips": len(plan.entries),
        "clips_left_out": list(plan.manifest.exclusion_summary),
        "methods": [entrant.key for entrant in plan.entrants],
        "metrics": [card.id for card in plan.cards],
        "units": len(folders),
        "units_done": len(seconds),
        "seconds_per_unit": seconds_per_unit,
        "seconds_left": None if seconds_per_unit is None else (len(folders) - len(seconds)) * seconds_per_unit,
        "max_bytes": max_bytes,
        "free_bytes": free_bytes,
        "methods_with_points_or_masks": [e.key for e in plan.entrants if {"points", "masks"} & set(e.spec.outputs)],
        "weights": weights,
        "problems": [str(problem) for problem in problems],
    }


def _max_bytes(plan: Plan, dataset: Dataset) -> int | None:
    grid = dataset.grid
    if grid is None:
        return None
    pixels = grid.size[0] * grid.size[1] * 3
    track_and_validity = 3 * 4 + 1
    return len(plan.units) * grid.views * grid.frames * (pixels + grid.points * track_and_validity)


def _find_weights(plan: Plan) -> dict[str, dict[str, str | None]]:
    needed = {name for card in plan.cards for name in card.weights} | {
        name for e in plan.entrants for name in e.spec.weights
    }
    weights: dict[str, dict[str, str | None]] = {}
    for name in sorted(needed):
        try:
            weights[name] = {"path": str(find_weights(name, plan.config.weights)), "missing": None}
        except WeightsMissing as error:
            weights[name] = {"path": None, "missing": str(error.args[0])}
    return weights


def _missing_weights(weights: dict[str, dict[str, str | None]]) -> list[Problem]:
    return [Problem(name, "", "is missing", "", file["missing"]) for name, file in weights.items() if file["missing"]]


def _missing_predictions(plan: Plan) -> list[Problem]:
    """Return a problem for each clip that is missing from a folder of predictions."""
    folders = {entrant.key: entrant.spec.folder for entrant in plan.entrants if entrant.spec.folder is not None}
    problems = []
    for unit in plan.units:
        folder = folders.get(unit.entrant)
        if folder is not None and not (expected := prediction_folder(folder, unit.clip, unit.seed)).is_dir():
            problems.append(
                Problem(str(expected), "", "is missing", "", "write this prediction, or leave out the clip")
            )
    return problems


def format_facts(facts: dict[str, Any]) -> str:
    """Format the facts of ``estimate`` as lines of text."""
    lines = [
        f"run        {facts['out']}" + ("  (exists)" if facts["exists"] else ""),
        f"split      {facts['split']}  id {facts['split_id']}  clip set id {facts['clip_set_id']}",
        f"clips      {facts['clips']}",
        *(f"           left out, {exclusion}" for exclusion in facts["clips_left_out"]),
        f"methods    {', '.join(facts['methods'])}",
        f"metrics    {', '.join(facts['metrics'])}",
        f"units      {facts['units']}, {facts['units_done']} already have a prediction",
        f"time       {_format_time(facts)}",
        f"disk       {_format_disk(facts)}; {facts['free_bytes'] / 1e9:.1f} GB free",
    ]
    for name, file in facts["weights"].items():
        lines.append(f"weights    {name}: {file['path'] or 'missing'}")
        if file["missing"]:
            lines.append(f"           {file['missing']}")
    lines += [f"problem    {problem}" for problem in facts["problems"]]
    return "\n".join(lines)


def _format_time(facts: dict[str, Any]) -> str:
    if facts["seconds_left"] is None:
        return "unknown until the first unit is done"
    return f"about {facts['seconds_left']:.0f} s of generating, at {facts['seconds_per_unit']:.1f} s per unit so far"


def _format_disk(facts: dict[str, Any]) -> str:
    if facts["max_bytes"] is None:
        return "unknown"
    bound = f"at most {facts['max_bytes'] / 1e9:.2f} GB of videos and tracks (their uncompressed size)"
    methods = ", ".join(facts["methods_with_points_or_masks"])
    return bound + (f", plus the point maps and masks of {methods}" if methods else "")
