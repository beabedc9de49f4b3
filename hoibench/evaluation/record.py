"""run.json: what a run is, kept beside its results and checked when it resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoibench.evaluation.config import parse_shard
from hoibench.evaluation.identity import differences
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.settings_file import as_json
from hoibench.methods.method import Entrant
from hoibench.results.run_record import Exit, RunMethod, RunRecord
from hoibench.store.provenance import provenance


class RunRefused(ValueError):
    """The folder holds a run that this command may not touch; the message says why and what to do."""


def record_name(plan: Plan) -> str:
    """``run.json``, or ``run.<i>of<n>.json`` for a shard."""
    shard = parse_shard(plan.config.shard)
    return "run.json" if shard is None else f"run.{shard[0]}of{shard[1]}.json"


def make_record(plan: Plan) -> RunRecord:
    """What run.json says before the run has ended; of a run that resumes it keeps what made the earlier parts, where that was other code."""
    path = plan.out / record_name(plan)
    old = RunRecord.read(path) if path.is_file() else None
    record = RunRecord(
        name=plan.out.resolve().name,
        config=as_json(plan.config),
        config_hash=plan.hash,
        identity=plan.identity,
        dataset=plan.config.dataset,
        kind=plan.kind,
        has_truth=plan.has_truth,
        split=plan.manifest.split,
        split_id=plan.manifest.split_id,
        clip_set_id=plan.clip_set_id,
        truth_id=plan.manifest.truth_id,
        notes=plan.manifest.notes,
        clips=plan.entries,
        excluded=plan.manifest.exclusion_summary,
        methods=tuple(_method(entrant, plan) for entrant in plan.entrants),
        metrics=tuple(card.id for card in plan.cards),
        seeds=plan.config.seeds,
        shard=plan.config.shard,
        merged=False,
        provenance={} if old is None else old.provenance,
        earlier_provenance=() if old is None else old.earlier_provenance,
        exit=Exit(),
    )
    return with_provenance(record, plan.device, plan.config.batch)


def with_provenance(record: RunRecord, device: str, batch: int) -> RunRecord:
    """The record with the provenance of this process; what it had is kept as earlier, where that was other code, machine or device."""
    now = provenance() | {"device": device, "batch": batch}
    before = (*record.earlier_provenance, *([record.provenance] if record.provenance else []))
    earlier = tuple(facts for facts in before if code_of(facts) != code_of(now))
    return record.model_copy(update={"provenance": now, "earlier_provenance": earlier})


def code_of(facts: Mapping[str, Any]) -> list[Any]:
    """The parts of a provenance that can change a value: code, libraries, machine and device."""
    return [facts.get(key) for key in ("hoibench", "git", "python", "versions", "hardware", "device")]


def _method(entrant: Entrant, plan: Plan) -> RunMethod:
    spec = entrant.spec
    return RunMethod(
        id=spec.id,
        name=spec.title,
        kind=spec.kind,
        preset=entrant.preset,
        families=spec.families,
        regions=spec.regions,
        view_type=spec.view_type if spec.kind == "method" else None,
        outputs=spec.outputs,
        seeds=plan.seeds_of(entrant),
        pairing=spec.pairing if "tracks" in spec.outputs or "points" in spec.outputs else None,
        paper=spec.paper or None,
        privileges=spec.privileges,
        settings={name: str(v) if isinstance(v, Path) else v for name, v in entrant.settings.items()},
    )


def check_resumable(plan: Plan) -> None:
    """Raise if the run's folder belongs to another configuration, or is sharded another way.

    Raises:
        RunRefused: with the difference and the ways out.
    """
    for path in sorted(plan.out.glob("run*.json")):
        try:
            old = RunRecord.read(path)
        except ValueError as error:
            raise RunRefused(f"{error}: give another --out, or --no-resume to set that run aside") from error
        if changed := differences(old.identity, plan.identity):
            listed = "\n  ".join(changed)
            raise RunRefused(
                f"{plan.out} holds a run of other settings:\n  {listed}\n"
                "Give another --out, or --no-resume to set that run aside."
            )
        if not old.merged and _parts(old.shard) != _parts(plan.config.shard):
            raise RunRefused(
                f"{plan.out} holds {path.name}, a run split another way: use its --shard, or another --out"
            )


def _parts(shard: str | None) -> str:
    """The n of ``i/n``; empty for a run in one piece."""
    return "" if shard is None else shard.partition("/")[2]
