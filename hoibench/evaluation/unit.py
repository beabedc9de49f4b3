"""The unit of work and of resuming."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hoibench.method_key import method_key


@dataclass(frozen=True)
class Unit:
    """The unit of work and of resuming: one entrant (a method with its preset) on one clip with one seed."""

    method: str
    preset: str | None
    seed: int
    clip: str

    @property
    def entrant(self) -> str:
        """``METHOD[+PRESET]``."""
        return method_key(self.method, self.preset)

    @property
    def key(self) -> str:
        """``METHOD[+PRESET]/seed-S/CLIP``, the unit's path in a run."""
        return f"{self.entrant}/seed-{self.seed}/{self.clip}"

    def with_prefix(self, prefix: str) -> Unit:
        """The same unit of the method called ``prefix`` and this one's id."""
        return replace(self, method=prefix + self.method)

    def without_prefix(self, prefix: str) -> Unit:
        """The same unit of the method whose id this one has after ``prefix``."""
        return replace(self, method=self.method.removeprefix(prefix))

    def prediction(self, run: Path) -> Path:
        """The folder of its prediction."""
        return run / "predictions" / self.key

    def scores(self, run: Path) -> Path:
        """The file of its rows."""
        return run / "scores" / f"{self.key}.jsonl"
