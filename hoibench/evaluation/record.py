"""run.json: what a run is, kept beside its results and checked when it resumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hoibench.evaluation.config import as_json, parse_shard
from hoibench.evaluation.plan import Plan, clip_facts, differences
from hoibench.methods.spec import Spec
from hoibench.store import read_json, write_json
from hoibench.store.provenance import provenance

SCHEMA = "hoibench/run@1"
_KEYS = (
    "config", "config_hash", "identity", "has_truth", "split", "clips_id", "clips", "methods", "metrics", "shard", "merged",
    "provenance", "earlier", "exit",
)  # fmt: skip


class RunRefused(ValueError):
    """The folder holds a run that this command may not touch; the message says why and what to do."""


def record_name(plan: Plan) -> str:
    """``run.json``, or ``run.<i>of<n>.json`` for a shard."""
    shard = parse_shard(plan.config.shard)
    return "run.json" if shard is None else f"run.{shard[0]}of{shard[1]}.json"


def make_record(plan: Plan) -> dict[str, Any]:
    """What run.json says before the run has ended; of a run that resumes it keeps what made the earlier parts, where that was other code."""
    path = plan.out / record_name(plan)
    old = read_record(path) if path.is_file() else None
    now = provenance()
    earlier = [] if old is None else [*old["earlier"], old["provenance"]]
    return {
        "schema": SCHEMA,
        "name": plan.out.resolve().name,
        "config": as_json(plan.config),
        "config_hash": plan.hash,
        "identity": plan.identity,
        "dataset": plan.config.dataset,
        "kind": plan.kind,
        "has_truth": plan.has_truth,
        "split": plan.manifest.split,
        "split_id": plan.manifest.split_id,
        "clips_id": plan.clips_id,
        "truth_id": plan.manifest.truth_id,
        "notes": list(plan.manifest.notes),
        "clips": [clip_facts(entry) for entry in plan.entries],
        "left_out": list(plan.manifest.left_out_told),
        "methods": [_method_facts(spec, plan) for spec in plan.specs],
        "metrics": [card.id for card in plan.cards],
        "seeds": list(plan.config.seeds),
        "shard": plan.config.shard,
        "merged": False,
        "provenance": now,
        "earlier": [before for before in earlier if _code(before) != _code(now)],
        "exit": {"status": "running", "failures": []},
    }


def _code(facts: dict[str, Any]) -> list[Any]:
    return [facts.get(key) for key in ("hoibench", "git", "python", "versions", "hardware")]


def _method_facts(spec: Spec, plan: Plan) -> dict[str, Any]:
    return {
        "id": spec.id,
        "name": spec.title,
        "kind": spec.kind,
        "families": list(spec.families),
        "regions": list(spec.regions),
        "view_type": spec.view_type if spec.kind == "method" else None,
        "outputs": list(spec.outputs),
        "preset": plan.preset_of(spec),
        "seeds": list(plan.seeds_of(spec)),
        "pairing": spec.pairing if "tracks" in spec.outputs or "points" in spec.outputs else None,
        "paper": spec.paper or None,
        "privileges": list(spec.privileges),
    }


def read_record(path: Path) -> dict[str, Any]:
    """A run's record; raises as ``hoibench.store.read_json``, and ValueError where a key is missing."""
    record = read_json(path, SCHEMA)
    missing = [key for key in _KEYS if key not in record]
    if missing:
        raise ValueError(
            f"{path} lacks {missing[0]!r}, so it is not of this hoibench: give another --out, or --no-resume"
        )
    return record


def finish_record(path: Path, record: dict[str, Any], status: str, failures: Sequence[dict[str, str]]) -> None:
    """Write the record with how the run ended."""
    write_json(path, record | {"exit": {"status": status, "failures": list(failures)}})


def check_resumable(plan: Plan) -> None:
    """Raise if the run's folder belongs to another configuration, or is sharded another way.

    Raises:
        RunRefused: with the difference and the ways out.
    """
    mine = record_name(plan)
    for path in sorted(plan.out.glob("run*.json")):
        old = read_record(path)
        if changed := differences(old["identity"], plan.identity):
            listed = "\n  ".join(changed)
            raise RunRefused(
                f"{plan.out} holds a run of other settings:\n  {listed}\n"
                "Give another --out, or --no-resume to set that run aside."
            )
        if not old["merged"] and _parts(path.name) != _parts(mine):
            raise RunRefused(
                f"{plan.out} holds {path.name}, a run split another way: use its --shard, or another --out"
            )


def _parts(name: str) -> str:
    """``of4`` of ``run.1of4.json``; empty for a run in one piece."""
    shard = name.removeprefix("run").removesuffix("json").strip(".")
    return shard.lstrip("0123456789")
