"""The diagnosis: checks with a status, a count, problems and a fix, and its rendering as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hoibench.problems import Problem

Status = Literal["problem", "warning", "ok", "skipped"]

STATUSES: tuple[Status, ...] = ("problem", "warning", "ok", "skipped")
"""In order of importance."""

_EXAMPLES = 5
_STATUS_WIDTH = 9


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        id: a short name, stable across versions.
        title: the result in a few words.
        status: ``problem`` (clips cannot be prepared or would be wrong), ``warning``, ``ok`` or ``skipped``.
        count: number of problems; if there are none, number of checked items.
        problems: the problems, each naming file and value.
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
        """The first five problems as text, without the fix if it is the check's."""
        first = self.problems[:_EXAMPLES]
        return tuple(str(replace(problem, fix="") if problem.fix == self.fix else problem) for problem in first)


@dataclass(frozen=True)
class Inventory:
    """Number of sequences in total, by modality, and by kind of video and camera."""

    sequences: int
    modalities: Mapping[str, int]
    cameras: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Diagnosis:
    """All checks of the download at ``root``, the most important first."""

    root: Path
    inventory: Inventory
    checks: tuple[Check, ...]

    def with_status(self, status: Status) -> tuple[Check, ...]:
        """Return the checks of one status."""
        return tuple(check for check in self.checks if check.status == status)

    @property
    def is_healthy(self) -> bool:
        """True if there are no problems, apart from warnings."""
        return not self.with_status("problem")


@dataclass
class Findings:
    """Collects the problems of a check and their count."""

    count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, file: object, found: str, *, expected: str = "", fix: str = "", times: int = 1) -> None:
        """Add a problem of a file, counted ``times``; the default fix is that of the check."""
        self.count += times
        self.problems.append(Problem(str(file), "", found, expected, fix))

    @contextmanager
    def catch(self, file: object) -> Iterator[None]:
        """Convert an exception to a problem of ``file``, so that the diagnosis continues."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.add(file, str(error).removeprefix(str(file)).lstrip(": "))
        except Exception as error:
            self.add(file, f"{type(error).__name__}: {error}")

    def to_check(self, id: str, bad: str, good: str, fix: str, checked: int, status: Status = "problem") -> Check:
        """Return the check: ``status`` and title ``bad`` if there are problems, else ``ok`` and ``good``, or ``skipped`` if nothing was checked."""
        if self.count:
            problems = tuple(replace(problem, fix=problem.fix or fix) for problem in self.problems)
            return Check(id, bad, status, self.count, problems, fix)
        return Check(id, good, "ok", checked) if checked else Check(id, "nothing to check", "skipped")


def render(diagnosis: Diagnosis) -> str:
    """Render the diagnosis as text: the inventory, then each check with examples and fix."""
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
    """Yield aligned rows, the first column to the left and the others to the right."""
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
    counts = [len(diagnosis.with_status(status)) for status in ("problem", "warning")]
    phrases = [
        f"{n or 'no'} {word}{'' if n == 1 else 's'}" for n, word in zip(counts, ("problem", "warning"), strict=True)
    ]
    return ", ".join(phrases)
