"""Problems that a check collects, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem, printed as ``FILE: WHERE FOUND, expected EXPECTED: FIX``.

    >>> print(Problem("run.toml", "limit", "is 0", "at least 1", ""))
    run.toml: limit is 0, expected at least 1

    Attributes:
        file: the file, folder or flag.
        where: the place in the file (key, line, frame), or an empty text.
        found: the wrong value, as a predicate: "is 0", "is missing".
        expected: the expected value, or an empty text.
        fix: what to do, or an empty text.
    """

    file: str
    where: str
    found: str
    expected: str
    fix: str

    @classmethod
    def from_text(cls, text: str) -> Problem:
        """Return the problem that prints as ``text``, such as an error's message that begins with a flag or a name."""
        file, _, found = text.partition(" ")
        return cls(file, "", found, "", "")

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        expected = f", expected {self.expected}" if self.expected else ""
        return f"{place} {self.found}{expected}" + (f": {self.fix}" if self.fix else "")


class ProblemsFound(ValueError):
    """The error that lists all problems, one per line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n  ".join([f"{len(lines)} problems:", *lines] if len(lines) > 1 else lines))


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise one error that lists all problems.

    Raises:
        ProblemsFound: there is at least one problem.
    """
    if found := tuple(problems):
        raise ProblemsFound(found)
