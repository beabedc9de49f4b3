"""The record of a run, run.json: built from the plan, and checked when the run is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoibench.evaluation.config import parse_shard
from hoibench.evaluation.config_file import config_to_json
from hoibench.evaluation.identity import differences
from hoibench.evaluation.plan import Plan
from hoibench.methods.method import Entrant
from hoibench.results.run_record import Exit, RunMethod, RunRecord
from hoibench.store.provenance import provenance


class RunRefused(ValueError):
    """The folder's run cannot be continued by this command; the message says why and what to do."""


def record_name(plan: Plan) -> str:
    """Return ``run.json``, or ``run.<i>of<n>.json`` for a shard."""
    shard = parse_shard(plan.config.shard)
    return "run.json" if shard is None else f"run.{shard[0]}of{shard[1]}.json"


def lock_path(out: Path, name: str) -> Path:
    """Return the file by which a run (or one shard of it) is locked; ``name`` is that of its record, without the suffix."""
    return out / f".{name}.lock"


def build_record(plan: Plan) -> RunRecord:
    """Build the record of a run that starts or resumes; the record of a resumed run keeps the provenance of its earlier processes."""
    path = plan.out / record_name(plan)
    old = RunRecord.read(path) if path.is_file() else None
    record = RunRecord(
        name=plan.out.resolve().name,
        config=config_to_json(plan.config),
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
        methods=tuple(_method_record(entrant, plan) for entrant in plan.entrants),
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
    """Return the record with the provenance (code, libraries, machine) of this process; an earlier, different one moves to ``earlier_provenance``."""
    now = provenance() | {"device": device, "batch": batch}
    before = (*record.earlier_provenance, *([record.provenance] if record.provenance else []))
    earlier = tuple(facts for facts in before if environment_facts(facts) != environment_facts(now))
    return record.model_copy(update={"provenance": now, "earlier_provenance": earlier})


def environment_facts(facts: Mapping[str, Any]) -> list[Any]:
    """Return the parts of a provenance that can change a value: code, libraries, machine and device."""
    return [facts.get(key) for key in ("hoibench", "git", "python", "versions", "hardware", "device")]


def _method_record(entrant: Entrant, plan: Plan) -> RunMethod:
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
        deterministic=spec.deterministic,
        pairing=spec.pairing if "tracks" in spec.outputs or "points" in spec.outputs else None,
        paper=spec.paper or None,
        privileges=spec.privileges,
        settings={name: str(v) if isinstance(v, Path) else v for name, v in entrant.settings.items()},
        precomputed=spec.folder is not None,
    )


def check_resumable(plan: Plan) -> None:
    """Check that the run's folder is empty or has the same run, with the same number of shards.

    Raises:
        RunRefused: with the differences and the ways out.
    """
    records = sorted(plan.out.glob("run*.json"))
    if not records and any((plan.out / name).is_dir() for name in ("predictions", "scores")):
        raise RunRefused(
            f"{plan.out} has predictions or scores, but no run.json that says of which run: delete them, or give another --out"
        )
    for path in records:
        try:
            old = RunRecord.read(path)
        except ValueError as error:
            raise RunRefused(f"{error}; or give another --out, or --no-resume to rename that run's folder") from error
        if changed := differences(old.identity, plan.identity):
            listed = "\n  ".join(changed)
            raise RunRefused(
                f"{plan.out} has a run with other settings:\n  {listed}\n"
                "Give another --out, or --no-resume to rename that run's folder."
            )
        if not old.merged and _shard_count(old.shard) != _shard_count(plan.config.shard):
            raise RunRefused(
                f"{plan.out} has {path.name}, a run with another number of shards: use its --shard, or another --out"
            )


def _shard_count(shard: str | None) -> str:
    """Return the n of ``i/n``; an empty text for a run without shards."""
    return "" if shard is None else shard.partition("/")[2]
