"""What became of a split's lines when they were prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """What became of one line: ``made`` (something of it was), ``kept`` (all was there) or ``broken``, with the reason.

    Attributes:
        key: YYYYMMDD_NNN.
        status: one of the three.
        reason: why it is broken, else empty.
        without_source: why a clip that was made or kept has no source view; None where it has one, or its line names none.
    """

    key: str
    status: Literal["made", "kept", "broken"]
    reason: str = ""
    without_source: str | None = None


@dataclass(frozen=True)
class Report:
    """What became of all lines, by key.

    Attributes:
        made, kept: the sequences whose clips are there now.
        broken: why the others are not.
        without_source: why some of the former have no source view.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    broken: dict[str, str]
    without_source: dict[str, str]


def sum_up(outcomes: Sequence[Outcome]) -> Report:
    """The report of some outcomes; a sequence of several lines is as badly off as the worst of them."""
    broken = {outcome.key: outcome.reason for outcome in outcomes if outcome.status == "broken"}
    made = {outcome.key for outcome in outcomes if outcome.status == "made"} - set(broken)
    kept = {outcome.key for outcome in outcomes} - made - set(broken)
    lacking = {o.key: o.without_source for o in outcomes if o.without_source is not None and o.key not in broken}
    return Report(tuple(sorted(made)), tuple(sorted(kept)), dict(sorted(broken.items())), dict(sorted(lacking.items())))
