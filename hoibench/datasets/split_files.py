"""Read and format the shipped splits: a folder per version, with a JSONL file per part and a manifest.json that records the files' hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Manifest
from hoibench.plugins import UnknownName
from hoibench.store.records import Record, explain

SPLITS_FOLDER = Path(__file__).parents[2] / "splits"
"""Folder of the shipped splits; importing ``splits`` by name could find a folder in the working directory first."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Release(Record):
    """The content of manifest.json of one version of a split: its files, and how they were generated.

    Attributes:
        generator: the module and function that generated the split.
        seed: the seed of its random choices, or None if there are none.
        aliases: other name -> part that it stands for.
        files: part, e.g. ``train`` -> sha256 of its JSONL file.
        counts: part -> number of clips.
        tags: tag of clips -> its meaning.
        recipe: key of ``SplitLine.recipe`` -> its meaning.
        membership: the rule by which clips were assigned to parts, where neither tags nor names of parts say it.
        cameras: the rule by which each clip's cameras were chosen.
        made_from: file that the split was generated from -> sha256.
        made_with: package -> version, of packages that affect the result.
        credit: the source of the data.
    """

    SCHEMA = "hoibench/splits@1"

    generator: str
    seed: NonNegativeInt | None
    aliases: dict[str, str]
    files: dict[str, Sha256] = Field(min_length=1)
    counts: dict[str, NonNegativeInt] = Field({})
    tags: dict[str, str] = Field({})
    recipe: dict[str, str] = Field({})
    membership: str = ""
    cameras: str = ""
    made_from: dict[str, Sha256] = Field({})
    made_with: dict[str, str] = Field({})
    credit: str = ""

    def to_bytes(self) -> bytes:
        """Return the bytes of manifest.json, without optional keys that are empty."""
        table = {"schema": self.SCHEMA, **self.model_dump(mode="json", exclude_defaults=True)}
        return (json.dumps(table, indent=1) + "\n").encode()


class _LineRecord(Record):
    """The JSON object in one line of a part's JSONL file."""

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
    """One clip of a split with the settings that produce it.

    Attributes:
        entry: the clip.
        source: id of the camera whose video is the input of video-to-video methods, not in ``entry.camera_ids``; None if there is none.
        recipe: settings that produce the clip: object instances and seed of a generated clip; crop and kind of video of a TACO clip.
    """

    entry: ClipEntry
    source: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


class VersionedSplit:
    """One version of a split, e.g. ``synthetic@2``; reading a part checks its file against the hash recorded in manifest.json.

    Raises:
        UnknownName: no such version of a split is shipped.
        FileNotFoundError: files of the shipped splits are missing.
    """

    def __init__(self, name: str, root: Path = SPLITS_FOLDER) -> None:
        self.name = name
        self._folder = root / name
        manifest = self._folder / "manifest.json"
        known = [] if self._folder.is_dir() else [item.parent.name for item in root.glob("*/manifest.json")]
        if known:
            raise UnknownName("split", name, known)
        if not manifest.is_file():
            raise FileNotFoundError(f"{manifest} is missing: reinstall hoibench")
        self.release = Release.read(manifest)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the split's parts, e.g. ``train``, followed by aliases of parts."""
        return (*self.release.files, *self.release.aliases)

    def manifest(self, part: str) -> Manifest:
        """Return the clips of a part, e.g. ``train``; its name may be an alias.

        Raises:
            UnknownName: the part does not exist.
            ValueError: the file differs from the released one.
        """
        part = self._resolve(part)
        entries = tuple(line.entry for line in self.lines(part))
        return Manifest(f"{self.name}/{part}", self.release.files[part][:12], entries)

    def lines(self, part: str) -> tuple[SplitLine, ...]:
        """Return a part's clips with their settings, in the order of its file; raises the errors of ``manifest``."""
        part = self._resolve(part)
        item = self._folder / f"{part}.jsonl"
        data = item.read_bytes()
        found, recorded = hashlib.sha256(data).hexdigest(), self.release.files[part]
        if found != recorded:
            raise ValueError(
                f"{item} has sha256 {found[:12]}..., the released file has {recorded[:12]}...: reinstall hoibench"
            )
        return parse_lines(data, str(item))

    def _resolve(self, part: str) -> str:
        name = self.release.aliases.get(part, part)
        if name not in self.release.files:
            raise UnknownName(f"split of {self.name}", part, self.parts)
        return name


def all_splits() -> list[VersionedSplit]:
    """Return every version of every shipped split, sorted by name."""
    folders = (item for item in SPLITS_FOLDER.iterdir() if (item / "manifest.json").is_file())
    return [VersionedSplit(item.name) for item in sorted(folders, key=lambda item: item.name)]


def parse_lines(data: bytes, where: str) -> tuple[SplitLine, ...]:
    """Parse the content of a part's JSONL file, one clip per line; errors name the file by ``where``.

    Raises:
        ValueError: a line is invalid; names file and line.
    """
    return tuple(_parse_line(text, f"{where}, line {n}") for n, text in enumerate(data.splitlines(), start=1))


def _parse_line(text: bytes, where: str) -> SplitLine:
    try:
        record = _LineRecord.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(explain(error, _LineRecord, where)) from error
    entry = ClipEntry(record.id, record.triplet, record.instances, record.serials, record.start, record.tags)
    return SplitLine(entry, record.source, record.recipe)


def format_lines(lines: tuple[SplitLine, ...], separators: tuple[str, str] = (",", ":")) -> bytes:
    """Return clips as the content of a JSONL file; ``separators`` are the two of ``json.dumps``: between items, and after keys."""
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
