"""The unit of work and of resuming: one entrant on one clip with one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hoibench.method_key import method_key
from hoibench.predictions import PREDICTION_FILE
from hoibench.reference_rows import FROZEN_SELF
from hoibench.store import remove_temporary_files

Stage = Literal["generate", "score"]


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of work and of resuming: one entrant (a method with its preset) on one clip with one seed."""

    method: str
    preset: str | None
    seed: int
    clip: str

    def __post_init__(self) -> None:
        # Records of runs may come from strangers, and the key is a path.
        if not all(set(part) - {"."} for part in self.key.split("/")) or "\\" in self.key or "\0" in self.key:
            raise ValueError(f"{self.key!r:.300} is no unit of a run: its path leaves the run's folder")

    @property
    def entrant(self) -> str:
        """``METHOD[+PRESET]``."""
        return method_key(self.method, self.preset)

    @property
    def key(self) -> str:
        """``METHOD[+PRESET]/seed-S/CLIP``, the unit's path in a run."""
        return f"{self.entrant}/seed-{self.seed}/{self.clip}"

    def with_prefix(self, prefix: str) -> Unit:
        """Return the same unit for the method ``prefix`` + id."""
        return replace(self, method=prefix + self.method)

    def without_prefix(self, prefix: str) -> Unit:
        """Return the same unit for the method whose id lacks ``prefix``."""
        return replace(self, method=self.method.removeprefix(prefix))

    def prediction_folder(self, run: Path) -> Path:
        """Return the folder of the unit's stored prediction, in the run folder ``run``."""
        return run / "predictions" / self.key

    def log_file(self, run: Path) -> Path:
        """Return the file with what the method printed for the unit."""
        return run / "logs" / f"{self.key}.log"

    def score_file(self, run: Path) -> Path:
        """Return the JSONL file with the result rows of the unit."""
        return run / "scores" / f"{self.key}.jsonl"


@dataclass(frozen=True)
class UnitReport:
    """The end of one stage of a unit.

    Attributes:
        unit: the unit.
        stage: ``generate`` or ``score``.
        did_work: False if the stage was already complete.
        failure: ``STAGE: REASON``, or None.
        source_failed: True if the unit failed because it depends on a prediction that failed; such failures are not counted again.
        load_failed: True if the unit failed because its method could not be loaded.
        seconds: the time that the stage took; 0 if it is unknown.
    """

    unit: Unit
    stage: Stage
    did_work: bool
    failure: str | None = None
    source_failed: bool = False
    load_failed: bool = False
    seconds: float = 0.0


def delete_results(out: Path, unit: Unit) -> None:
    """Delete everything that depends on a prediction before it is generated again: its rows, and its ``frozen_self`` prediction."""
    unit.score_file(out).unlink(missing_ok=True)
    remove_temporary_files(unit.prediction_folder(out))
    (unit.with_prefix(FROZEN_SELF).prediction_folder(out) / PREDICTION_FILE).unlink(missing_ok=True)
