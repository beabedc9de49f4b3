"""Runs in the form that the leaderboard page shows: provenance, the command that started the run, and the failures of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hoibench.results.failure_summary import MAX_LINES, summarize_failures
from hoibench.results.run_folder import Run
from leaderboard.text import sanitize

_MAX_PAIRS = 40


@dataclass(frozen=True)
class RunView:
    """A run as the page shows it.

    Attributes:
        name: the run's name.
        kind: the kind of data, ``measured`` or ``synthetic``.
        status: the state in which the run ended.
        sections: (title, (name, text) pairs): its data, its settings, and its code and machine.
        command: the command that started the run.
        failures: number of units (a method on a clip with a seed) that failed.
    """

    name: str
    kind: str
    status: str
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    command: str
    failures: int


@dataclass(frozen=True)
class FailureView:
    """The failures of one method of a run at one stage for one reason, see ``FailureLine``; ``log`` is empty without a log."""

    run: str
    method: str
    clips: str
    stage: str
    reason: str
    log: str


def build_run_view(run: Run) -> RunView:
    """Return a run in the form that the page shows, with sanitized strings."""
    record = run.record
    data: list[tuple[str, Any]] = [
        ("data set", record.dataset),
        ("split", record.split),
        ("split id", record.split_id),
        ("truth", record.truth_id),
        ("clips", len(record.clips)),
        ("clip set id", record.clip_set_id),
        ("seeds", ", ".join(map(str, record.seeds))),
    ]
    settings = [
        (method.key, ", ".join(f"{name} = {value}" for name, value in method.settings.items()))
        for method in record.methods
        if method.settings and method.kind != "reference"
    ]
    provenance = {key: value for key, value in record.provenance.items() if key != "command"}
    sections = {
        "Data": data,
        "Settings": [*settings, ("config hash", record.config_hash)],
        "Code and machine": _flatten(provenance),
    }
    return RunView(
        name=sanitize(record.name, 100),
        kind=record.kind,
        status=sanitize(record.exit.status, 40).replace("_", " "),
        sections=tuple(
            (
                title,
                tuple(
                    (sanitize(name, 60), sanitize(_yes_or_no(value), 200))
                    for name, value in pairs[:_MAX_PAIRS]
                    if value is not None
                ),
            )
            for title, pairs in sections.items()
        ),
        command=sanitize(record.provenance.get("command", ""), 2000),
        failures=len(record.exit.failures),
    )


def build_failure_views(runs: Sequence[Run]) -> tuple[tuple[FailureView, ...], int]:
    """Return the first failures of some runs with sanitized strings, and the number of lines that are left out."""
    lines = [
        (run.record.name, line)
        for run in runs
        for line in summarize_failures(run.record.exit.failures, len(run.record.clips))
    ]
    views = tuple(
        FailureView(
            run=sanitize(run, 100),
            method=sanitize(line.method, 80),
            clips=sanitize(line.clips_text, 200),
            stage=sanitize(line.stage, 30),
            reason=sanitize(line.reason, 400),
            log=sanitize(f"{run}/{line.log}", 300) if line.log else "",
        )
        for run, line in lines[:MAX_LINES]
    )
    return views, len(lines) - len(views)


def _yes_or_no(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _flatten(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the (key, value) pairs of a mapping; those of a mapping inside it get both keys, joined by a space; deeper levels stay values."""
    pairs: list[tuple[str, Any]] = []
    for key, value in table.items():
        pairs += (
            [(f"{key} {name}", inner) for name, inner in value.items()]
            if isinstance(value, Mapping)
            else [(str(key), value)]
        )
    return pairs
