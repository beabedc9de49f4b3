"""Lists of clips to leave out of runs, e.g. of sequences whose calibration is suspect; ``hoibench data doctor --suspects`` writes one."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hoibench.store.hashes import sha256_json
from hoibench.store.records import Record


class ExcludedClip(Record):
    """A clip to leave out.

    Attributes:
        id: the clip's id, for TACO the key of its sequence.
        reasons: why, one sentence each.
        displacement_cm: centimetres between the places of hands and objects in the videos and in the annotation, if they were compared.
    """

    id: str
    reasons: tuple[str, ...] = ()
    displacement_cm: float | None = None


class Exclusions(Record):
    """The content of a file with clips to leave out; ``source`` says what wrote it, and of how many sequences."""

    SCHEMA: ClassVar[str] = "hoibench/exclusions@1"

    source: str = ""
    clips: tuple[ExcludedClip, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the clips."""
        return frozenset(clip.id for clip in self.clips)

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the hash of the ids, whatever their order and reasons."""
        return sha256_json(sorted(self.ids))[:12]

    def name(self, path: Path) -> str:
        """Return ``FILE (DIGEST)``, by which texts name these exclusions, for the file that they were read from."""
        return f"{path.name} ({self.digest})"
