"""Running a plan: lock the run folder, resume, generate, score, write the results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from hoibench.errors import Crash
from hoibench.evaluation.build_run_record import RunRefused, build_record, check_resumable, lock_path, record_name
from hoibench.evaluation.collect_results import RESULTS_FILE, Outcome, finish_run, finish_shard
from hoibench.evaluation.executor import Job, choose_executor, connect_cluster
from hoibench.evaluation.failures import is_fatal, read_failures, record_failure
from hoibench.evaluation.generate_clips import generate_clips
from hoibench.evaluation.mirror import Mirror
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.run_progress import RunListener, RunProgress
from hoibench.evaluation.scorer import is_scored
from hoibench.evaluation.unit import Stage, Unit, UnitReport, delete_results
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import log_to_file
from hoibench.predictions import is_complete
from hoibench.problems import Problem, ProblemsFound
from hoibench.progress import Progress
from hoibench.results.run_record import RunStatus
from hoibench.store import locks, remove_temporary_files
from hoibench.store.remote_folder import RemoteFolderError

log = logging.getLogger(__name__)


class MethodNotLoaded(ValueError):
    """One of several methods of a run could not be loaded; the message gives the reason and the ways out."""


_FOR_USERS = (MethodNotLoaded, ProblemsFound, RemoteFolderError, Crash)
"""Errors whose messages say what to do."""


def run(
    plan: Plan,
    listener: RunListener,
    cannot_start: Mapping[str, Sequence[Problem]] = MappingProxyType({}),
    mirror: Mirror | None = None,
) -> Outcome:
    """Do all the work of a plan that is not done yet, then write the record and, unless this is a shard, results.parquet.

    Completed units are kept, however the run ends.

    Args:
        plan: the plan.
        listener: shows the progress.
        cannot_start: problems by the key of an entrant that cannot start; its units fail without a try.
        mirror: the run's copy in an object store; it gets each unit when it ends.

    Raises:
        RunRefused: the folder belongs to another run, or another process is working on it.
        MethodNotLoaded: one of several methods could not be loaded, and the run is not to keep going.
        ProblemsFound: there is no Ray cluster, or its nodes lack what the run needs.
        RemoteFolderError: the store of the mirror cannot be read or written.
        Crash: an unexpected error; the run's log has the traceback.
        OSError: the disk is full or unwritable.
        KeyboardInterrupt: the user interrupted the run.
    """
    _rename_earlier_run(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    with lock_run(plan.out, record_name(plan).removesuffix(".json")):
        if mirror is not None:
            mirror.restore_record(record_name(plan), plan.identity)
        check_resumable(plan)
        path, record = plan.out / record_name(plan), build_record(plan)
        remove_temporary_files(plan.out, path.name)
        if plan.config.shard is None:
            remove_temporary_files(plan.out, RESULTS_FILE)
        record.write(path)
        handler = log_to_file(plan.out / "log.txt")
        log.info("run %s: %d units, config %s", plan.out, len(plan.units), plan.hash)
        for warning in plan.warnings:
            log.warning("%s", warning)
        try:
            _do_units(plan, listener, cannot_start, mirror)
            if plan.config.shard is None:
                return finish_run(plan.out, record)
            return finish_shard(plan.out, record, plan.units, path.name)
        except BaseException as error:
            log.exception("the run stopped")
            with suppress(OSError, ValueError):  # the disk may be full
                status: RunStatus = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
                record.with_exit(status, read_failures(plan.out, plan.units)).write(path)
            if isinstance(error, Exception) and not is_fatal(error) and not isinstance(error, _FOR_USERS):
                raise Crash(f"{type(error).__name__}: {error}") from error
            raise
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()


def _do_units(
    plan: Plan, listener: RunListener, cannot_start: Mapping[str, Sequence[Problem]], mirror: Mirror | None
) -> None:
    done: frozenset[Unit] = frozenset()
    if mirror is not None:
        mirror.upload(record_name(plan))
        done = mirror.restore_units(plan.units, [card.id for card in plan.cards])
        listener = _UploadingListener(listener, mirror)
    if plan.config.executor == "ray":
        listener.on_progress(Progress("loading", detail="connecting to the Ray cluster"))
    with connect_cluster(plan):
        _generate_and_score(plan, listener, cannot_start, done)


def _generate_and_score(
    plan: Plan, listener: RunListener, cannot_start: Mapping[str, Sequence[Problem]], done: Collection[Unit]
) -> None:
    """Do the units that are not ``done``, nor complete in the run's folder."""
    context = WorkerContext.from_plan(plan)
    methods = [entrant for entrant in plan.entrants if entrant.spec.entry]
    on_line = listener.on_line if plan.config.verbose else None
    listener.on_start(plan, plan.units)
    stops = len(methods) > 1 and not plan.config.keep_going
    progress = RunProgress(plan.units, _StoppingListener(listener) if stops else listener)
    generate_clips(plan, progress, on_line)
    units_of: dict[str, list[Unit]] = {entrant.key: [] for entrant in plan.entrants}
    for unit in plan.units:
        units_of[unit.entrant].append(unit)

    def is_generated(unit: Unit) -> bool:
        return unit in done or is_complete(unit.prediction_folder(plan.out))

    for entrant in methods:
        units = _units_left("generate", units_of[entrant.key], is_generated, progress)
        if problems := cannot_start.get(entrant.key):
            _fail_units(plan, units, problems, progress)
        else:
            jobs = group_by_clip(plan, units)
            executor = choose_executor(plan, len(jobs), runs_methods=True, on_line=on_line)
            executor.generate(context, entrant.key, jobs, progress)
    left = _units_left("score", plan.units, lambda unit: unit in done or is_scored(context, unit), progress)
    jobs = group_by_clip(plan, left)
    choose_executor(plan, len(jobs), on_line=on_line).score(context, jobs, progress)


class _StoppingListener:
    """Passes everything on to another listener; stops the run when the method of a unit could not be loaded."""

    def __init__(self, listener: RunListener) -> None:
        self.on_start, self.on_progress, self.on_line = listener.on_start, listener.on_progress, listener.on_line
        self._on_report = listener.on_report

    def on_report(self, report: UnitReport) -> None:
        self._on_report(report)
        if report.load_failed:
            raise MethodNotLoaded(
                f"{report.unit.entrant} cannot be loaded ({report.failure}): mend it, leave it out, or give --keep-going to run the "
                "other methods; completed work is kept"
            )


class _UploadingListener:
    """Passes everything on to another listener, and gives units to the run's mirror when a stage of theirs ends."""

    def __init__(self, listener: RunListener, mirror: Mirror) -> None:
        self.on_start, self.on_progress, self.on_line = listener.on_start, listener.on_progress, listener.on_line
        self._listener, self._mirror = listener, mirror

    def on_report(self, report: UnitReport) -> None:
        self._listener.on_report(report)
        if report.did_work:
            self._mirror.upload_unit(report.unit)


def _fail_units(plan: Plan, units: Iterable[Unit], problems: Sequence[Problem], progress: RunProgress) -> None:
    """Record the problems for which a method cannot start as the failure of its units."""
    reason = "; ".join(map(str, problems))
    for unit in units:
        delete_results(plan.out, unit)
        progress.end(UnitReport(unit, "generate", True, record_failure(plan.out, unit, "start", reason)))


def _units_left(
    stage: Stage, units: Iterable[Unit], is_done: Callable[[Unit], bool], progress: RunProgress
) -> list[Unit]:
    """Return the units whose stage is not done yet, and report the others as done."""
    left = []
    for unit in units:
        if is_done(unit):
            progress.end(UnitReport(unit, stage, did_work=False))
        else:
            left.append(unit)
    return left


def group_by_clip(plan: Plan, units: Iterable[Unit]) -> list[Job]:
    """Group units by clip, in the order of the manifest."""
    by_clip: dict[str, list[Unit]] = {}
    for unit in units:
        by_clip.setdefault(unit.clip, []).append(unit)
    return [(entry, by_clip[entry.id]) for entry in plan.entries if entry.id in by_clip]


@contextmanager
def lock_run(out: Path, name: str) -> Iterator[None]:
    """Lock a run (or one shard of it) against other processes; the system releases the lock if this process is killed.

    Raises:
        RunRefused: another process has the lock.
    """
    with locks.locked(lock_path(out, name), wait=False) as is_locked:
        if not is_locked:
            raise RunRefused(f"another process is working on {out}: wait for it, or give another --out or --shard")
        yield


def _rename_earlier_run(plan: Plan) -> None:
    """With --no-resume, rename the folder of an earlier run."""
    if plan.config.resume or not any(plan.out.glob("run*.json")):
        return
    with lock_run(plan.out, record_name(plan).removesuffix(".json")):
        number = 1
        while (new_name := plan.out.with_name(f"{plan.out.name}.old-{number}")).exists():
            number += 1
        plan.out.rename(new_name)
    log.info("renamed the earlier run to %s", new_name)
