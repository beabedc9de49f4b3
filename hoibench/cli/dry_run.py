"""``--dry-run``: the work, time, disk space and weights that a run needs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hoibench.datasets.base import Dataset
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.preflight import Findings, max_bytes
from hoibench.predictions import read_prediction_record
from hoibench.store.atomic import free_bytes
from hoibench.weights import WeightsDamaged, WeightsMissing, find_weights


def describe(plan: Plan, dataset: Dataset, findings: Findings) -> str:
    """Describe what a run needs and what is wrong with it, as lines of text or, with ``--json``, as one JSON object."""
    facts = estimate(plan, dataset)
    for name, problems in (
        ("problems", findings.refusals(keep_going=plan.config.keep_going)),
        ("warnings", findings.allowed(keep_going=plan.config.keep_going)),
    ):
        facts[name] = [str(problem) for problem in problems]
    return json.dumps(facts) if plan.config.json else format_facts(facts)


def estimate(plan: Plan, dataset: Dataset) -> dict[str, Any]:
    """Estimate what a run needs, as plain JSON values; None means unknown.

    ``seconds_left`` covers only generating.  ``max_bytes`` is the uncompressed size of all videos and tracks; point maps and masks, whose
    size only the method knows, are not included.  ``weights`` has each file's path, or None if it is missing or damaged.
    """
    left = set(plan.units_left)
    done = [unit.prediction_folder(plan.out) for unit in plan.units if unit not in left]
    seconds = [read_prediction_record(folder).seconds or 0.0 for folder in done]
    seconds_per_unit = sum(seconds) / len(seconds) if seconds else None
    return {
        "out": str(plan.out),
        "exists": plan.out.exists(),
        "split": plan.manifest.split,
        "split_id": plan.manifest.split_id,
        "clip_set_id": plan.clip_set_id,
        "clips": len(plan.entries),
        "clips_left_out": list(plan.manifest.exclusion_summary),
        "methods": [entrant.key for entrant in plan.entrants],
        "metrics": [card.id for card in plan.cards],
        "units": len(plan.units),
        "units_done": len(done),
        "seconds_per_unit": seconds_per_unit,
        "seconds_left": None if seconds_per_unit is None else len(left) * seconds_per_unit,
        "max_bytes": max_bytes(len(plan.units), dataset),
        "free_bytes": free_bytes(plan.out),
        "methods_with_points_or_masks": [e.key for e in plan.entrants if {"points", "masks"} & set(e.spec.outputs)],
        "weights": _find_weights(plan),
    }


def _find_weights(plan: Plan) -> dict[str, str | None]:
    needed = {name for card in plan.cards for name in card.weights} | {
        name for e in plan.entrants for name in e.spec.weights
    }
    weights: dict[str, str | None] = {}
    for name in sorted(needed):
        weights[name] = None
        with suppress(WeightsMissing, WeightsDamaged):
            weights[name] = str(find_weights(name, plan.config.weights))
    return weights


def format_facts(facts: dict[str, Any]) -> str:
    """Format the facts of ``describe`` as lines of text."""
    lines = [
        f"run        {facts['out']}" + ("  (exists)" if facts["exists"] else ""),
        f"split      {facts['split']}  id {facts['split_id']}  clip set id {facts['clip_set_id']}",
        f"clips      {facts['clips']}",
        *(f"           left out, {exclusion}" for exclusion in facts["clips_left_out"]),
        f"methods    {', '.join(facts['methods'])}",
        f"metrics    {', '.join(facts['metrics'])}",
        f"units      {facts['units']}, of which {facts['units_done']} done before",
        f"time       {_format_time(facts)}",
        f"disk       {_format_disk(facts)}; {facts['free_bytes'] / 1e9:.1f} GB free",
    ]
    lines += [f"weights    {name}: {path or 'missing or damaged'}" for name, path in facts["weights"].items()]
    lines += [f"problem    {problem}" for problem in facts["problems"]]
    lines += [f"warning    {warning}" for warning in facts["warnings"]]
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
