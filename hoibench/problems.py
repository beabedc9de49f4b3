"""Problems found by a check that goes on to the end, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, told as ``FILE: WHERE FOUND, expected EXPECTED: FIX``.

        str(Problem("run.toml", "limit", "is 0", "at least 1", ""))  # "run.toml: limit is 0, expected at least 1"

    Attributes:
        file: the file, folder or flag.
        where: the place in it (key, line, frame), or an empty text.
        found: what is there, as a predicate: "is 0", "is missing".
        expected: what belongs there.
        fix: what to do.
    """

    file: str
    where: str
    found: str
    expected: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        expected = f", expected {self.expected}" if self.expected else ""
        return f"{place} {self.found}{expected}" + (f": {self.fix}" if self.fix else "")


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise one error that lists every problem, a line each.

    Raises:
        ValueError: there is at least one problem.
    """
    if lines := [str(problem) for problem in problems]:
        raise ValueError("\n  ".join([f"{len(lines)} problems:", *lines] if len(lines) > 1 else lines))
