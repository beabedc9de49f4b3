"""The diagnosis: checks with a status, a count, problems and a fix, and its rendering as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hoibench.problems import Problem
from hoibench.text import count

CheckStatus = Literal["problem", "warning", "ok", "skipped"]

STATUSES: tuple[CheckStatus, ...] = ("problem", "warning", "ok", "skipped")
"""The statuses of checks, the most important first."""

_EXAMPLES = 5
_STATUS_WIDTH = 9


@dataclass(frozen=True)
class Check:
    """The result of one check of a download.

    Attributes:
        id: a short name, stable across versions.
        title: the result in a few words.
        status: ``problem`` (clips cannot be prepared or would be wrong), ``warning``, ``ok`` or ``skipped``.
        count: number of problems; if there are none, number of checked items.
        problems: the problems, each naming file and value.
        fix: what the user can do.
    """

    id: str
    title: str
    status: CheckStatus
    count: int = 0
    problems: tuple[Problem, ...] = ()
    fix: str = ""

    @property
    def examples(self) -> tuple[str, ...]:
        """The first five problems as text, each with its fix if that differs from the check's."""
        first = self.problems[:_EXAMPLES]
        return tuple(str(replace(problem, fix="") if problem.fix == self.fix else problem) for problem in first)


@dataclass(frozen=True)
class Inventory:
    """Numbers of sequences in a download.

    Attributes:
        sequences: in total.
        modalities: name of a top folder, e.g. ``Hand_Poses`` -> number of sequences in it.
        cameras: top folder of videos -> camera serial -> number of sequences with a video by that camera.
    """

    sequences: int
    modalities: Mapping[str, int]
    cameras: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks of the download at ``root``, problems first, and the numbers of its sequences."""

    root: Path
    inventory: Inventory
    checks: tuple[Check, ...]

    def with_status(self, status: CheckStatus) -> tuple[Check, ...]:
        """Return the checks whose status is ``status``."""
        return tuple(check for check in self.checks if check.status == status)

    def with_check(self, check: Check) -> Diagnosis:
        """Return the diagnosis with one more check."""
        return replace(self, checks=sort_checks((*self.checks, check)))

    @property
    def is_healthy(self) -> bool:
        """True if no check has the status ``problem``; warnings do not count."""
        return not self.with_status("problem")


def sort_checks(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return checks in the order of their status, problems first."""
    return tuple(sorted(checks, key=lambda check: STATUSES.index(check.status)))


@dataclass
class Findings:
    """The problems that one check has found so far, and their count."""

    count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, file: object, found: str, *, expected: str = "", fix: str = "", times: int = 1) -> None:
        """Add a problem to the findings of this check.

        Args:
            file: the file, folder or sequence that has the problem.
            found: the wrong value, as a predicate: "is missing".
            expected: the expected value, if any.
            fix: what the user can do; by default, the fix of the check.
            times: number that the problem adds to the count.
        """
        self.add_problem(Problem(str(file), "", found, expected, fix), times)

    def add_problem(self, problem: Problem, times: int = 1) -> None:
        """Add a problem, which adds ``times`` to the count."""
        self.count += times
        self.problems.append(problem)

    @contextmanager
    def catch(self, file: object) -> Iterator[None]:
        """Catch an exception raised in the block and add it as a problem of ``file``, so that the diagnosis continues."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.add(file, str(error).removeprefix(str(file)).lstrip(": "))
        except Exception as error:
            self.add(file, f"{type(error).__name__}: {error}")

    def to_check(self, id: str, bad: str, good: str, fix: str, checked: int, status: CheckStatus = "problem") -> Check:
        """Return the result of the check with this id.

        It has ``status``, the title ``bad`` and the ``fix`` if there are problems, else the status ``ok`` and the title ``good``; if nothing was
        ``checked`` and there are no problems, its status is ``skipped``.
        """
        if self.count:
            problems = tuple(replace(problem, fix=problem.fix or fix) for problem in self.problems)
            return Check(id, bad, status, self.count, problems, fix)
        return Check(id, good, "ok", checked) if checked else Check(id, "nothing to check", "skipped")


def format_diagnosis(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as text: the numbers of sequences, then each check with examples of its problems and the fix; one line for all skipped."""
    lines = [f"TACO at {diagnosis.root}", "", *_inventory(diagnosis.inventory), ""]
    for check in diagnosis.checks:
        if check.status != "skipped":
            lines += _check(check)
    if skipped := diagnosis.with_status("skipped"):
        lines.append(f"{'skipped'.ljust(_STATUS_WIDTH)}{'; '.join(f'{c.id}: {c.title}' for c in skipped)}")
    lines += ["", _verdict(diagnosis)]
    return "\n".join(lines)


def _inventory(inventory: Inventory) -> Iterator[str]:
    names = {count(inventory.sequences, "sequence"): "", **{f"  {n}": f"{c}" for n, c in inventory.modalities.items()}}
    yield from _columns(list(names.items()))
    serials = sorted({serial for cameras in inventory.cameras.values() for serial in cameras})
    if serials:
        yield ""
        table = [("videos of camera", *inventory.cameras)]
        table += [(f"  {s}", *(f"{cameras.get(s, 0)}" for cameras in inventory.cameras.values())) for s in serials]
        yield from _columns(table)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows as lines of text in columns, the first column aligned left and the others aligned right."""
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
