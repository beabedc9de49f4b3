"""The doctor's report: checks with a status, a count, the problems that each found and what to do; and as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hoibench.problems import Problem

Status = Literal["problem", "warning", "ok", "skipped"]

STATUSES: tuple[Status, ...] = ("problem", "warning", "ok", "skipped")
"""Most important first."""

_EXAMPLES = 5
_STATUS_WIDTH = 9


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        id: a short name that stays the same from version to version.
        title: what was found, in a few words.
        status: ``problem`` where clips cannot be made or would be wrong, ``warning`` where a user should know, ``ok``, or ``skipped``.
        count: how many things were found, or, where all is well, looked at.
        problems: what was found, each naming file and value.
        fix: what to do.
    """

    id: str
    title: str
    status: Status
    count: int = 0
    problems: tuple[Problem, ...] = ()
    fix: str = ""

    @property
    def examples(self) -> tuple[str, ...]:
        """The first five problems as text, without the fix that all have."""
        some = self.problems[:_EXAMPLES]
        return tuple(str(replace(problem, fix="") if problem.fix == self.fix else problem) for problem in some)


@dataclass(frozen=True)
class Inventory:
    """What is there: sequences in all, how many each top folder has, and for each kind of video how many each camera has."""

    sequences: int
    modalities: Mapping[str, int]
    cameras: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Diagnosis:
    """All of the doctor's answers on the tree at ``root``, the most important first."""

    root: Path
    inventory: Inventory
    checks: tuple[Check, ...]

    def of(self, status: Status) -> tuple[Check, ...]:
        """The checks of one status."""
        return tuple(check for check in self.checks if check.status == status)

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; warnings may be there."""
        return not self.of("problem")


@dataclass
class Findings:
    """The problems that a check finds while it goes through many things, and their count."""

    count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, file: object, found: str, *, expected: str = "", fix: str = "", times: int = 1) -> None:
        """Note a problem of a file, which counts ``times``; without a fix, that of the check holds."""
        self.count += times
        self.problems.append(Problem(str(file), "", found, expected, fix))

    @contextmanager
    def catch(self, file: object) -> Iterator[None]:
        """Turn an error inside into a problem of ``file``: nothing that a download holds may stop the doctor."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.add(file, str(error).removeprefix(str(file)).lstrip(": "))
        except Exception as error:
            self.add(file, f"{type(error).__name__}: {error}")

    def check(self, id: str, bad: str, good: str, fix: str, looked_at: int, status: Status = "problem") -> Check:
        """The check: of ``status`` and titled ``bad`` where something was found, else ``ok`` and titled ``good``; skipped where nothing was there."""
        if self.count:
            problems = tuple(replace(problem, fix=problem.fix or fix) for problem in self.problems)
            return Check(id, bad, status, self.count, problems, fix)
        return Check(id, good, "ok", looked_at) if looked_at else Check(id, "there is nothing to look at", "skipped")


def render(diagnosis: Diagnosis) -> str:
    """The diagnosis: what is there, then each check with its examples and its fix, the most important first."""
    lines = [f"TACO at {diagnosis.root}", "", *_inventory(diagnosis.inventory), ""]
    for check in diagnosis.checks:
        lines += _check(check)
    lines += ["", _verdict(diagnosis)]
    return "\n".join(lines)


def _inventory(inventory: Inventory) -> Iterator[str]:
    names = {f"{inventory.sequences} sequences": "", **{f"  {n}": f"{c}" for n, c in inventory.modalities.items()}}
    yield from _columns(list(names.items()))
    serials = sorted({serial for cameras in inventory.cameras.values() for serial in cameras})
    if serials:
        yield ""
        table = [("videos of camera", *inventory.cameras)]
        table += [(f"  {s}", *(f"{cameras.get(s, 0)}" for cameras in inventory.cameras.values())) for s in serials]
        yield from _columns(table)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows with their first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _check(check: Check) -> Iterator[str]:
    count = f" ({check.count})" if check.count else ""
    yield f"{check.status.ljust(_STATUS_WIDTH)}{check.id}: {check.title}{count}"
    indent = " " * _STATUS_WIDTH
    for example in check.examples:
        yield f"{indent}- {example}"
    if check.fix and check.status in ("problem", "warning"):
        yield f"{indent}fix: {check.fix}"


def _verdict(diagnosis: Diagnosis) -> str:
    counts = [len(diagnosis.of(status)) for status in ("problem", "warning")]
    words = [
        f"{n or 'no'} {word}{'' if n == 1 else 's'}" for n, word in zip(counts, ("problem", "warning"), strict=True)
    ]
    return ", ".join(words)
