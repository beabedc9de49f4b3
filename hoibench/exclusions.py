"""Lists of clips to leave out of runs, e.g. of sequences whose calibration is suspect; ``hoibench data doctor --suspects`` writes one."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class ExclusionList:
    """The clips to leave out, with these ``ids``, by the file with the name ``file``."""

    file: str
    ids: frozenset[str]

    @property
    def name(self) -> str:
        """The name of the file, with the digest."""
        return f"{self.file} ({self.digest})"

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the hash of the ids, whatever their order and reasons."""
        return sha256_json(sorted(self.ids))[:12]


def read_exclusions(path: Path) -> ExclusionList:
    """Read a file of exclusions.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not of this format; names file, key and value.
    """
    return ExclusionList(path.name, frozenset(clip.id for clip in Exclusions.read(path).clips))
