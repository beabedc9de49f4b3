"""Splits as shipped: the ``splits`` package holds a folder for each, with a JSONL file a part and a manifest.json of their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from hoibench.datasets.base import ClipEntry, Manifest
from hoibench.datasets.releases import Release
from hoibench.plugins import UnknownName

SHIPPED = Path(__file__).parents[2] / "splits"
"""Beside hoibench, in a checkout and when installed; by its name alone, a folder ``splits`` where the user stands could be found first."""


@dataclass(frozen=True)
class Line:
    """One line of a part: a clip, and what making it takes beyond what statistics need.

    Attributes:
        entry: the clip.
        source: serial of the camera outside ``entry.serials`` that video-to-video methods may see, or None.
        recipe: what the data set makes the clip from: a generated one all that it takes, TACO the crop and which videos.
    """

    entry: ClipEntry
    source: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The line as the JSONL file holds it."""
        entry = self.entry
        return {
            "id": entry.id,
            "triplet": entry.triplet and list(entry.triplet),
            "instances": entry.instances and list(entry.instances),
            "serials": list(entry.serials),
            "source": self.source,
            "start": entry.start,
            "tags": list(entry.tags),
            "recipe": dict(self.recipe),
        }

    @classmethod
    def from_json(cls, table: Any) -> Line:
        """A line from its JSON object.

        Raises:
            ValueError: a key is missing or unknown, or a value has another type.
        """
        if not isinstance(table, dict) or set(table) != _KEYS:
            raise ValueError(f"its keys are not {', '.join(sorted(_KEYS))}")
        if not isinstance(table["id"], str) or not isinstance(table["start"], int):
            raise ValueError("id must be a string and start an integer")
        if table["source"] is not None and not isinstance(table["source"], str):
            raise ValueError("source must be a string or null")
        if not isinstance(table["recipe"], dict):
            raise ValueError("recipe must be an object")
        triplet, instances = _strings(table, "triplet", 3), _strings(table, "instances", 2)
        entry = ClipEntry(
            id=table["id"],
            triplet=None if triplet is None else (triplet[0], triplet[1], triplet[2]),
            instances=None if instances is None else (instances[0], instances[1]),
            serials=_strings(table, "serials") or (),
            start=table["start"],
            tags=_strings(table, "tags") or (),
        )
        return cls(entry, table["source"], table["recipe"])


_KEYS = set(Line(ClipEntry("")).to_json())


def _strings(table: Mapping[str, Any], name: str, length: int | None = None) -> tuple[str, ...] | None:
    value = table[name]
    if value is None and length is not None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of strings")
    if length is not None and len(value) != length:
        raise ValueError(f"{name} has {len(value)} items, expected {length}")
    return tuple(value)


class Splits:
    """The parts of one versioned split, such as ``synthetic@1``; a file whose hash is not the recorded one is refused."""

    def __init__(self, name: str, root: Traversable | None = None) -> None:
        self.name = name
        self._folder = (root or SHIPPED) / name
        self.release = _read_release(self._folder)

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

    def lines(self, part: str) -> tuple[Line, ...]:
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


def shipped_splits() -> list[Splits]:
    """Every versioned split that is shipped, by name."""
    folders = (item for item in SHIPPED.iterdir() if (item / "manifest.json").is_file())
    return [Splits(item.name) for item in sorted(folders, key=lambda item: item.name)]


def parse_lines(data: bytes, where: str) -> tuple[Line, ...]:
    """The lines of a JSONL file.

    Raises:
        ValueError: a line is not a clip, or they are not sorted by id without repetition; names file and line.
    """
    lines = []
    for number, text in enumerate(data.decode().splitlines(), start=1):
        try:
            lines.append(Line.from_json(json.loads(text)))
        except ValueError as error:
            raise ValueError(f"{where}, line {number} is no clip: {error}") from error
    ids = [line.entry.id for line in lines]
    if ids != sorted(set(ids)):
        raise ValueError(f"{where} is not sorted by id without repetition")
    return tuple(lines)


def format_lines(lines: tuple[Line, ...], separators: tuple[str, str] = (",", ":")) -> bytes:
    """The JSONL file of some lines; ``separators`` between items and after keys."""
    return "".join(json.dumps(line.to_json(), separators=separators) + "\n" for line in lines).encode()


def _read_release(folder: Traversable) -> Release:
    item = folder / "manifest.json"
    if not item.is_file():
        raise FileNotFoundError(f"{item} is missing: install hoibench with its splits")
    return Release.from_bytes(item.read_bytes(), str(item))
