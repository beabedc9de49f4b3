"""VersionedSplit as shipped: the ``splits`` package holds a folder for each, with a JSONL file a part and a manifest.json of their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError, model_validator

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Manifest
from hoibench.plugins import UnknownName
from hoibench.store.records import Record, explain

SPLITS_FOLDER = Path(__file__).parents[2] / "splits"
"""Beside hoibench, in a checkout and when installed; by its name alone, a folder ``splits`` where the user stands could be found first."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Release(Record):
    """One version of a split, the manifest.json of its folder: what its files are, and how they were made.

    Attributes:
        generator: the script and function that made it.
        seed: of the random choices in making it, or None where there are none.
        aliases: other name -> part.
        files: part -> sha256 of its JSONL file.
        counts: part -> how many clips it has.
        tags: tag -> why clips carry it.
        recipe: field of the lines' recipe -> what its value means.
        cameras: how each clip's cameras were chosen.
        made_from: file -> sha256 of what the split was made from.
        made_with: package -> its version, of packages that the choices depend on.
        credit: whose data it names.
    """

    SCHEMA = "hoibench-splits/1"

    generator: str
    seed: NonNegativeInt | None
    aliases: dict[str, str]
    files: dict[str, Sha256] = Field(min_length=1)
    counts: dict[str, NonNegativeInt] = Field({})
    tags: dict[str, str] = Field({})
    recipe: dict[str, str] = Field({})
    cameras: str = ""
    made_from: dict[str, Sha256] = Field({})
    made_with: dict[str, str] = Field({})
    credit: str = ""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        for alias, part in self.aliases.items():
            if part not in self.files or alias in self.files:
                raise ValueError(
                    f"alias {alias!r} of {part!r} fits no part: expected another name for one of {', '.join(self.files)}"
                )
        if self.counts and self.counts.keys() != self.files.keys():
            raise ValueError(
                f"counts names {', '.join(self.counts)}, files {', '.join(self.files)}: expected the same parts"
            )
        return self

    def to_bytes(self) -> bytes:
        """The file; what is empty and may be is left out."""
        table = {"schema": self.SCHEMA, **self.model_dump(mode="json", exclude_defaults=True)}
        return (json.dumps(table, indent=1) + "\n").encode()


class _LineRecord(Record):
    """One line of a part's JSONL file."""

    id: str
    triplet: tuple[str, str, str] | None
    instances: tuple[str, str] | None
    serials: tuple[str, ...]
    source: str | None
    start: int
    tags: tuple[str, ...]
    recipe: dict[str, Any]


@dataclass(frozen=True)
class SplitLine:
    """One line of a part: a clip, and what making it takes beyond what statistics need.

    Attributes:
        entry: the clip.
        source: serial of the camera outside ``entry.camera_ids`` that video-to-video methods may see, or None.
        recipe: what the data set makes the clip from: a generated one all that it takes, TACO the crop and which videos.
    """

    entry: ClipEntry
    source: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


class VersionedSplit:
    """The parts of one versioned split, such as ``synthetic@1``; a file whose hash is not the recorded one is refused."""

    def __init__(self, name: str, root: Path = SPLITS_FOLDER) -> None:
        self.name = name
        self._folder = root / name
        manifest = self._folder / "manifest.json"
        if not manifest.is_file():
            raise FileNotFoundError(f"{manifest} is missing: install hoibench with its splits")
        self.release = Release.read(manifest)

    @property
    def parts(self) -> tuple[str, ...]:
        """Part names, then the aliases of parts."""
        return (*self.release.files, *self.release.aliases)

    def manifest(self, part: str) -> Manifest:
        """The clips of a part or of an alias of one.

        Raises:
            UnknownName: there is no such part.
            ValueError: the file is not the one that was released.
        """
        part = self._resolve(part)
        entries = tuple(line.entry for line in self.lines(part))
        return Manifest(f"{self.name}/{part}", self.release.files[part][:12], entries)

    def lines(self, part: str) -> tuple[SplitLine, ...]:
        """The lines of a part, sorted by id; errors as ``manifest``."""
        part = self._resolve(part)
        item = self._folder / f"{part}.jsonl"
        data = item.read_bytes()
        found, recorded = hashlib.sha256(data).hexdigest(), self.release.files[part]
        if found != recorded:
            raise ValueError(
                f"{item} has sha256 {found[:12]}..., released was {recorded[:12]}...: install hoibench again"
            )
        return parse_lines(data, str(item))

    def _resolve(self, part: str) -> str:
        name = self.release.aliases.get(part, part)
        if name not in self.release.files:
            raise UnknownName(f"split of {self.name}", part, self.parts)
        return name


def all_splits() -> list[VersionedSplit]:
    """Every versioned split that is shipped, by name."""
    folders = (item for item in SPLITS_FOLDER.iterdir() if (item / "manifest.json").is_file())
    return [VersionedSplit(item.name) for item in sorted(folders, key=lambda item: item.name)]


def parse_lines(data: bytes, where: str) -> tuple[SplitLine, ...]:
    """The lines of a JSONL file.

    Raises:
        ValueError: a line is not a clip, or they are not sorted by id without repetition; names file and line.
    """
    lines = tuple(_parse_line(text, f"{where}, line {n}") for n, text in enumerate(data.splitlines(), start=1))
    ids = [line.entry.id for line in lines]
    if ids != sorted(set(ids)):
        raise ValueError(f"{where} is not sorted by id without repetition")
    return lines


def _parse_line(text: bytes, where: str) -> SplitLine:
    try:
        record = _LineRecord.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(explain(error, _LineRecord, where)) from error
    entry = ClipEntry(record.id, record.triplet, record.instances, record.serials, record.start, record.tags)
    return SplitLine(entry, record.source, record.recipe)


def format_lines(lines: tuple[SplitLine, ...], separators: tuple[str, str] = (",", ":")) -> bytes:
    """The JSONL file of some lines; ``separators`` between items and after keys."""
    return "".join(json.dumps(_to_json(line), separators=separators) + "\n" for line in lines).encode()


def _to_json(line: SplitLine) -> dict[str, Any]:
    entry = line.entry
    return _LineRecord(
        id=entry.id,
        triplet=entry.triplet,
        instances=entry.instances,
        serials=entry.camera_ids,
        source=line.source,
        start=entry.start,
        tags=entry.tags,
        recipe=dict(line.recipe),
    ).to_json()
