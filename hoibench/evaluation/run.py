"""A run from plan to Parquet: lock, resume, work, record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from hoibench.evaluation.collect import RESULTS
from hoibench.evaluation.executor import Job
from hoibench.evaluation.failures import failures_of, is_fatal
from hoibench.evaluation.local_executor import log_to, make_executor
from hoibench.evaluation.outcome import Outcome, end_run, end_shard
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.record import RunRefused, check_resumable, make_record, record_name
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import UnitReport, WorkerContext
from hoibench.methods.method import Entrant
from hoibench.predictions import is_complete
from hoibench.results.run_record import Status
from hoibench.store import locks, remove_temporary_files

log = logging.getLogger(__name__)


class RunStopped(RuntimeError):
    """The work broke off by a fault of ours; what was done is kept, and the traceback is in the run's log."""


class Listener(Protocol):
    """Who is told of a run's progress."""

    def started(self, plan: Plan, steps: int) -> None:
        """Work begins; ``steps`` reports will come: a unit of a method that runs is generated and scored."""

    def reported(self, report: UnitReport) -> None:
        """A stage of a unit has ended."""

    def stopped(self) -> None:
        """No more reports come."""


def run(plan: Plan, listener: Listener) -> Outcome:
    """Do everything of a plan that is not done yet, then write results.parquet (unless this is a shard) and the record.

    Raises:
        RunRefused: the folder holds another run, or another process works on this one.
        RunStopped: the work broke off by a fault of ours.
        OSError: the disk is full or unwritable; what was done is kept.
        KeyboardInterrupt: the user stopped it; what was done is kept.
    """
    _set_aside(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    with locked(plan.out, record_name(plan).removesuffix(".json")):
        check_resumable(plan)
        path, record = plan.out / record_name(plan), make_record(plan)
        remove_temporary_files(plan.out, path.name)
        if plan.config.shard is None:
            remove_temporary_files(plan.out, RESULTS)
        record.write(path)
        handler = log_to(plan.out / "log.txt")
        log.info("run %s: %d units, config %s", plan.out, len(plan.units), plan.hash)
        try:
            _work(plan, listener)
            if plan.config.shard is None:
                return end_run(plan.out, record)
            return end_shard(plan.out, record, plan.units, path.name)
        except BaseException as error:
            log.exception("the run stopped")
            with suppress(OSError, ValueError):  # a full disk takes not even this
                status: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
                record.with_exit(status, failures_of(plan.out, plan.units)).write(path)
            if isinstance(error, Exception) and not is_fatal(error):
                raise RunStopped(f"{type(error).__name__}: {error}") from error
            raise
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()


def _work(plan: Plan, listener: Listener) -> None:
    context = WorkerContext.of(plan)
    running = {entrant.key for entrant in plan.entrants if entrant.spec.entry}
    listener.started(plan, len(plan.units) + sum(unit.entrant in running for unit in plan.units))
    try:
        for entrant in plan.entrants:
            if entrant.spec.entry:
                jobs = jobs_of(plan, _to_generate(plan, entrant, listener))
                make_executor(plan, len(jobs), runs_methods=True).generate(
                    context, entrant.key, jobs, listener.reported
                )
        jobs = jobs_of(plan, plan.units)
        make_executor(plan, len(jobs)).score(context, jobs, listener.reported)
    finally:
        listener.stopped()


def _to_generate(plan: Plan, entrant: Entrant, listener: Listener) -> list[Unit]:
    """An entrant's units without a prediction; the others are reported."""
    waiting = []
    for unit in plan.units:
        if unit.entrant == entrant.key:
            if is_complete(unit.prediction(plan.out)):
                listener.reported(UnitReport(unit, "generate", 0.0, worked=False))
            else:
                waiting.append(unit)
    return waiting


def jobs_of(plan: Plan, units: Iterable[Unit]) -> list[Job]:
    """The units clip by clip, in the order of the manifest."""
    by_clip: dict[str, list[Unit]] = {}
    for unit in units:
        by_clip.setdefault(unit.clip, []).append(unit)
    return [(entry, by_clip[entry.id]) for entry in plan.entries if entry.id in by_clip]


@contextmanager
def locked(out: Path, name: str) -> Iterator[None]:
    """Hold a run (or one shard of it) against other processes; the system lets go if this process is killed.

    Raises:
        RunRefused: another process holds it.
    """
    with locks.locked(out / f".{name}.lock", wait=False) as ours:
        if not ours:
            raise RunRefused(f"another process is working on {out}: wait for it, or give another --out or --shard")
        yield


def _set_aside(plan: Plan) -> None:
    """With --no-resume, rename the folder of an earlier run, so that nothing of it is lost."""
    if plan.config.shard is not None and not plan.config.resume:
        raise ValueError(
            "--no-resume would set the other shards aside too: remove the run's folder, or give another --out"
        )
    if plan.config.resume or not any(plan.out.glob("run*.json")):
        return
    with locked(plan.out, record_name(plan).removesuffix(".json")):
        number = 1
        while (aside := plan.out.with_name(f"{plan.out.name}.old-{number}")).exists():
            number += 1
        plan.out.rename(aside)
    log.info("set the earlier run aside as %s", aside)
