"""manifest.json of a split: what its files are, and how they were made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "hoibench-splits/1"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Release:
    """One version of a split.

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

    generator: str
    seed: int | None
    aliases: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, str] = field(default_factory=dict)
    cameras: str = ""
    made_from: Mapping[str, str] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)
    credit: str = ""

    def to_bytes(self) -> bytes:
        """The file; what is empty and may be is left out."""
        table = {name: value for name, value in vars(self).items() if value or name in _REQUIRED}
        return (json.dumps({"schema": SCHEMA, **table}, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Release:
        """The record in a file.

        Raises:
            ValueError: it is not JSON, of another schema, or a key is missing, unknown or of another type; names ``where`` and key.
        """
        try:
            table = json.loads(data)
        except ValueError as error:
            raise ValueError(f"{where} is not JSON ({error}): install hoibench again") from error
        schema = table.pop("schema", None) if isinstance(table, dict) else None
        if schema != SCHEMA:
            raise ValueError(f"{where} has schema {schema!r}, this hoibench reads {SCHEMA!r}")
        if missing := sorted(_REQUIRED - table.keys()):
            raise ValueError(f"{where} lacks {', '.join(missing)}")
        for key, value in table.items():
            if key not in _CHECKS:
                raise ValueError(f"{where} has a key {key!r}, which no such file has")
            if not _CHECKS[key](value):
                raise ValueError(f"{where}: {key} is {value!r}, which it cannot be")
        release = cls(**table)
        release._check_parts(where)
        return release

    def _check_parts(self, where: str) -> None:
        for alias, part in self.aliases.items():
            if part not in self.files or alias in self.files:
                raise ValueError(f"{where}: alias {alias!r} of {part!r} fits no part")
        if self.counts and self.counts.keys() != self.files.keys():
            raise ValueError(f"{where}: counts and files name different parts")


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _hashes(value: Any) -> bool:
    return _texts(value) and all(_SHA256.fullmatch(item) for item in value.values())


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "generator": lambda value: isinstance(value, str),
    "seed": lambda value: value is None or _whole(value),
    "aliases": _texts,
    "files": lambda value: bool(value) and _hashes(value),
    "counts": lambda value: isinstance(value, dict) and all(map(_whole, value.values())),
    "tags": _texts,
    "recipe": _texts,
    "cameras": lambda value: isinstance(value, str),
    "made_from": _hashes,
    "made_with": _texts,
    "credit": lambda value: isinstance(value, str),
}
_REQUIRED = {"generator", "seed", "aliases", "files"}
