"""``--dry-run``: what a run would do and need."""

from __future__ import annotations

import json
import shutil
from typing import Any

from hoibench.datasets.base import Dataset
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.record import RunRefused, check_resumable
from hoibench.predictions import is_complete, prediction_folder, read_prediction_record
from hoibench.problems import Problem
from hoibench.weights import WeightsMissing, find


def describe(plan: Plan, dataset: Dataset) -> str:
    """Units, time, disk and weights: lines of text, or one JSON object where the run was asked for JSON."""
    facts = survey(plan, dataset)
    return json.dumps(facts) if plan.config.json else as_text(facts)


def survey(plan: Plan, dataset: Dataset) -> dict[str, Any]:
    """What a run would do and need, as plain JSON values; None is unknown.

    ``seconds_left`` is generating alone.  ``bytes_at_most`` is the uncompressed size of all videos and tracks: point maps and masks, whose size
    only the method knows, come on top.  ``weights`` gives each file's path, or why there is none.
    """
    out = plan.out
    folders = [unit.prediction(out) for unit in plan.units]
    seconds = [read_prediction_record(folder).seconds or 0.0 for folder in folders if is_complete(folder)]
    each = sum(seconds) / len(seconds) if seconds else None
    parent = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free, most, weights = shutil.disk_usage(parent).free, _bytes_at_most(plan, dataset), _weights(plan)
    problems = [*_missing_weights(weights), *_missing_predictions(plan)]
    if most is not None and most > free:
        problems.append(Problem(str(parent), "", f"has {free} bytes free", f"up to {most}", "free some, or give --out"))
    try:
        check_resumable(plan)
    except RunRefused as error:
        problems.append(Problem(str(out), "", "cannot be gone on with", "", str(error)))
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
        "seconds_a_unit": each,
        "seconds_left": None if each is None else (len(folders) - len(seconds)) * each,
        "bytes_at_most": most,
        "bytes_free": free,
        "points_or_masks": [e.key for e in plan.entrants if {"points", "masks"} & set(e.spec.outputs)],
        "weights": weights,
        "problems": [str(problem) for problem in problems],
    }


def _bytes_at_most(plan: Plan, dataset: Dataset) -> int | None:
    grid = dataset.grid
    if grid is None:
        return None
    pixels = grid.size[0] * grid.size[1] * 3
    track_and_validity = 3 * 4 + 1
    return len(plan.units) * grid.views * grid.frames * (pixels + grid.points * track_and_validity)


def _weights(plan: Plan) -> dict[str, dict[str, str | None]]:
    needed = {name for card in plan.cards for name in card.weights} | {
        name for e in plan.entrants for name in e.spec.weights
    }
    weights: dict[str, dict[str, str | None]] = {}
    for name in sorted(needed):
        try:
            weights[name] = {"path": str(find(name, plan.config.weights)), "missing": None}
        except WeightsMissing as error:
            weights[name] = {"path": None, "missing": str(error.args[0])}
    return weights


def _missing_weights(weights: dict[str, dict[str, str | None]]) -> list[Problem]:
    return [Problem(name, "", "is missing", "", told["missing"]) for name, told in weights.items() if told["missing"]]


def _missing_predictions(plan: Plan) -> list[Problem]:
    """Clips of which a folder of predictions has none."""
    folders = {entrant.key: entrant.spec.folder for entrant in plan.entrants if entrant.spec.folder is not None}
    problems = []
    for unit in plan.units:
        folder = folders.get(unit.entrant)
        if folder is not None and not (found := prediction_folder(folder, unit.clip, unit.seed)).is_dir():
            problems.append(Problem(str(found), "", "is missing", "", f"no prediction for clip {unit.clip}"))
    return problems


def as_text(facts: dict[str, Any]) -> str:
    """The facts of ``survey`` in lines to read."""
    lines = [
        f"run        {facts['out']}" + ("  (exists)" if facts["exists"] else ""),
        f"split      {facts['split']}  id {facts['split_id']}  clip set id {facts['clip_set_id']}",
        f"clips      {facts['clips']}",
        *(f"           left out, {told}" for told in facts["clips_left_out"]),
        f"methods    {', '.join(facts['methods'])}",
        f"metrics    {', '.join(facts['metrics'])}",
        f"units      {facts['units']}, {facts['units_done']} with a prediction already",
        f"time       {_time(facts)}",
        f"disk       {_disk(facts)}; {facts['bytes_free'] / 1e9:.1f} GB free",
    ]
    for name, found in facts["weights"].items():
        lines.append(f"weights    {name}: {found['path'] or 'missing'}")
        if found["missing"]:
            lines.append(f"           {found['missing']}")
    lines += [f"problem    {problem}" for problem in facts["problems"]]
    return "\n".join(lines)


def _time(facts: dict[str, Any]) -> str:
    if facts["seconds_left"] is None:
        return "unknown until a first unit is done"
    return f"about {facts['seconds_left']:.0f} s of generating left, at {facts['seconds_a_unit']:.1f} s a unit so far"


def _disk(facts: dict[str, Any]) -> str:
    if facts["bytes_at_most"] is None:
        return "unknown"
    bound = f"at most {facts['bytes_at_most'] / 1e9:.2f} GB of videos and tracks (their uncompressed size)"
    more = ", ".join(facts["points_or_masks"])
    return bound + (f", and on top the point maps and masks of {more}" if more else "")
