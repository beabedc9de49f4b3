"""Runs units in workers' processes, and records those that fail."""

from __future__ import annotations

from pathlib import Path

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import add_output, record_failure
from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import load_clip, load_method, run_unit
from hoibench.processes import MessageHandler, Worker, WorkerCrash

LOAD_TIMEOUT_FACTOR = 10.0
"""Loading a clip and a method may each take this many times the unit timeout."""


def unit_seconds(timeout: float) -> float:
    """Return the longest time that a unit may take with ``--unit-timeout``: loading the method and the clip, and running it."""
    return (2 * LOAD_TIMEOUT_FACTOR + 1) * timeout


class UnitRunner:
    """Runs units in workers' processes, with a log of what each prints; a process that dies or takes too long fails its unit."""

    def __init__(self, stage: Stage, context: WorkerContext, timeout: float | None) -> None:
        self._stage = stage
        self._context = context
        self._timeout = timeout
        self._load_timeout = None if timeout is None else LOAD_TIMEOUT_FACTOR * timeout
        self._load_outputs: dict[int, str] = {}
        self._load_failure: tuple[str, Path, str] | None = None

    def run(self, worker: Worker, unit: Unit, entry: ClipEntry, on_step: MessageHandler) -> UnitReport:
        """Run a unit in a worker's process; ``on_step`` is called with a text at each step."""
        output, out = worker.output, self._context.out
        assert output is not None  # executors give their workers one
        common_log = self._common_log(worker, unit)
        step: str = self._stage
        limit = self._load_timeout
        log = common_log
        label = f"{unit.entrant} {unit.clip}"
        output.switch(log, unit.entrant if self._stage == "generate" else f"scoring {label}")
        try:
            if self._stage == "generate":
                if self._load_failure is not None:  # the next process would fail in the same way
                    return self._fail(unit, step, *self._load_failure, load_failed=True)
                worker.call(load_method, timeout=limit, on_message=on_step, keeps_processes=True)
                self._load_outputs[worker.number] = output.tail() or self._load_outputs.get(worker.number, "")
                log = unit.log_file(out)
                log.unlink(missing_ok=True)
                output.switch(log, label)
            if limit is not None:  # the time for loading the clip does not count
                step = "load"
                worker.call(load_clip, entry, timeout=limit, on_message=on_step)
            step, limit = self._stage, self._timeout
            report = worker.call(run_unit, unit, entry, timeout=limit, on_message=on_step)
        except (WorkerCrash, TimeoutError) as error:
            timed_out = isinstance(error, TimeoutError) and limit is not None
            reason = f"no result within {limit:g} s (--unit-timeout)" if timed_out else str(error)
            load_failed = self._stage == "generate" and log == common_log
            if load_failed:
                self._load_failure = reason, log, output.tail()
            return self._fail(unit, step, reason, log, output.tail(), load_failed=load_failed)
        if report.failure is not None:
            text = output.tail()
            if not text and log != common_log:
                log, text = common_log, self._load_outputs[worker.number]
            if text:
                add_output(out, unit, log, text)
        return report

    def _common_log(self, worker: Worker, unit: Unit) -> Path:
        """Return the log of loading the method, or of scoring, by this worker."""
        shard = self._context.config.shard
        number = [shard.replace("/", "of")] if shard else []
        number += [str(worker.number)] if worker.number else []
        name = "-".join(["load" if self._stage == "generate" else "scoring", *number])
        folder = self._context.out / "logs"
        return (folder / unit.entrant if self._stage == "generate" else folder) / f"{name}.log"

    def _fail(self, unit: Unit, step: str, reason: str, log: Path, output: str, *, load_failed: bool) -> UnitReport:
        failure = record_failure(self._context.out, unit, step, reason)
        if output:
            add_output(self._context.out, unit, log, output)
        return UnitReport(unit, self._stage, True, failure, load_failed=load_failed)
