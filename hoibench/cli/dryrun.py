"""``--dry-run``: what a run would do and need."""

from __future__ import annotations

import os
import shutil

from hoibench.datasets.base import Dataset
from hoibench.evaluation.plan import Plan
from hoibench.methods.predictions import is_whole, read_record
from hoibench.weights import WeightsMissing, find


def describe(plan: Plan, dataset: Dataset) -> str:
    """Units, time, disk and missing weights, as lines of text."""
    out = plan.out
    done = [unit for unit in plan.units if is_whole(unit.prediction(out))]
    lines = [
        f"run        {out}" + ("  (exists)" if out.exists() else ""),
        f"split      {plan.manifest.split}  id {plan.manifest.split_id}  clips id {plan.clips_id}",
        f"clips      {len(plan.entries)}",
        f"methods    {', '.join(spec.id for spec in plan.specs)}",
        f"metrics    {', '.join(card.id for card in plan.cards)}",
        f"units      {len(plan.units)}, {len(done)} with a prediction already",
        f"time       {_time(plan, len(done))}",
        f"disk       {_disk(plan, dataset)}",
    ]
    return "\n".join([*lines, *_weights(plan)])


def _time(plan: Plan, done: int) -> str:
    seconds = [
        read_record(unit.prediction(plan.out)).get("seconds", 0.0)
        for unit in plan.units
        if is_whole(unit.prediction(plan.out))
    ]
    if not seconds:
        return "unknown until a first unit is done"
    left = (len(plan.units) - done) * sum(seconds) / len(seconds)
    return f"about {left:.0f} s of generating left, at {sum(seconds) / len(seconds):.1f} s a unit so far"


def _disk(plan: Plan, dataset: Dataset) -> str:
    grid = dataset.grid
    parent = next(path for path in (plan.out.absolute(), *plan.out.absolute().parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if grid is None:
        return f"unknown; {free / 1e9:.1f} GB free"
    raw = len(plan.units) * grid.views * grid.frames * (grid.size[0] * grid.size[1] * 3 + grid.points * 13)
    return f"at most {raw / 1e9:.2f} GB (the uncompressed size of all predictions); {free / 1e9:.1f} GB free"


def _weights(plan: Plan) -> list[str]:
    lines = []
    needed = {name for card in plan.cards for name in card.weights} | {name for s in plan.specs for name in s.weights}
    for name in sorted(needed):
        try:
            lines.append(f"weights    {name}: {find(name, plan.config.weights)}")
        except WeightsMissing as error:
            lines.append(f"weights    {name}: missing{os.linesep}           {error.args[0]}")
    return lines
