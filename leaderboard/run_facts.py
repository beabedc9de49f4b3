"""What a page says of a run: where it came from, the command that repeats it, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hoibench.results.run_record import Failure
from hoibench.results.runs import Run
from leaderboard.text import plain

_SHOWN_FAILURES = 40
_SHOWN_FACTS = 60


@dataclass(frozen=True)
class RunView:
    """A run's facts as (name, text) pairs, its command, and its first failures."""

    name: str
    kind: str
    status: str
    facts: tuple[tuple[str, str], ...]
    command: str
    failures: tuple[Failure, ...]
    more_failures: int


def run_view(run: Run) -> RunView:
    """What the page prints of a run."""
    record = run.record
    provenance = {key: value for key, value in record.provenance.items() if key != "command"}
    own = {
        "split": record.split,
        "split id": record.split_id,
        "clips": f"{len(record.clips)}, clip set id {record.clip_set_id}",
        "seeds": ", ".join(map(str, record.seeds)),
        "config hash": record.config_hash,
    }
    settings = [
        (f"settings of {method.key}", ", ".join(f"{name} = {value}" for name, value in method.settings.items()))
        for method in record.methods
        if method.settings and method.kind != "reference"
    ]
    pairs = [*own.items(), *settings, *_flat(provenance)][:_SHOWN_FACTS]
    return RunView(
        name=plain(record.name, 100),
        kind=record.kind,
        status=plain(record.exit.status, 40).replace("_", " "),
        facts=tuple(
            (plain(key, 60), plain({True: "yes", False: "no"}[value] if isinstance(value, bool) else value, 200))
            for key, value in pairs
        ),
        command=plain(record.provenance.get("command", ""), 2000),
        failures=tuple(
            Failure(unit=plain(f.unit, 120), stage=plain(f.stage, 30), reason=plain(f.reason, 400))
            for f in record.exit.failures[:_SHOWN_FAILURES]
        ),
        more_failures=max(0, len(record.exit.failures) - _SHOWN_FAILURES),
    )


def _flat(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Pairs of a nested mapping; the keys of one level below are joined to the first, deeper ones are left as text."""
    pairs: list[tuple[str, Any]] = []
    for key, value in table.items():
        pairs += (
            [(f"{key} {name}", inner) for name, inner in value.items()]
            if isinstance(value, Mapping)
            else [(str(key), value)]
        )
    return pairs
