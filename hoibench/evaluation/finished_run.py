"""The folder of a finished run: its locks, and one record for all its shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hoibench.evaluation.build_run_record import RunRefused, environment_facts
from hoibench.evaluation.config import parse_shard
from hoibench.evaluation.run import lock_run
from hoibench.results.run_record import RunRecord
from hoibench.store import canonical_json
from hoibench.store.atomic import find_folder_problem


@contextmanager
def lock_finished_run(out: Path) -> Iterator[RunRecord]:
    """Lock the run folder and all its shards, and yield one run record that combines the records of the shards."""
    with ExitStack() as locks:
        paths = sorted(out.glob("run.*of*.json"))
        if not paths and not (out / "run.json").is_file():
            raise FileNotFoundError(f"{out} is not the folder of a run: it has no run.json")
        if reason := find_folder_problem(out):
            raise RunRefused(f"{out} {reason}: make it writable, or copy the folder and give the copy")
        for name in ("run", *(path.stem for path in paths)):
            locks.enter_context(lock_run(out, name))
        records = [RunRecord.read(path) for path in paths] or [RunRecord.read(out / "run.json")]
        if paths:
            _check_shards(out, paths, records)
        provenances = [facts for record in records for facts in (*record.earlier_provenance, record.provenance)]
        earlier = tuple(facts for facts in _drop_repeats(provenances) if facts != records[0].provenance)
        yield records[0].model_copy(update={"merged": bool(paths), "shard": None, "earlier_provenance": earlier})


def _drop_repeats(provenances: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop a provenance if a later one has the same code, libraries, machine and device."""
    return list({canonical_json(environment_facts(facts)): facts for facts in provenances}.values())


def _check_shards(out: Path, paths: Sequence[Path], records: Sequence[RunRecord]) -> None:
    n = parse_shard(records[0].shard)
    wanted = [f"run.{i}of{n[1]}.json" for i in range(1, n[1] + 1)] if n else []
    missing = sorted(set(wanted) - {path.name for path in paths})
    if missing:
        raise RunRefused(f"{out} has no {', '.join(missing)}: run the other shards first")
    for path, record in zip(paths, records, strict=True):
        if record.config_hash != records[0].config_hash:
            raise RunRefused(f"{path} has other settings than {paths[0].name}: they belong to different runs")
    unfinished = [
        f"{path.name} ({record.exit.status})"
        for path, record in zip(paths, records, strict=True)
        if not record.exit.is_finished
    ]
    if unfinished:
        raise RunRefused(f"{out} has unfinished shards, {', '.join(unfinished)}: finish them first")
