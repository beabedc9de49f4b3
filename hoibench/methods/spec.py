"""Method specs: everything about a method but its code, read from TOML without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hoibench.clip import SCALES, Scale

Pairing = Literal["query", "anchor", "oracle-projection"]

LONGEST = 500
"""Characters of any text in a spec."""

FAMILIES = ("i2v", "i2vm", "v2v", "vto4r", "ito4g")
OUTPUTS = ("video", "tracks", "points", "masks")
PAIRINGS = ("query", "anchor", "oracle-projection")
KINDS = ("method", "reference", "published")

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]*(/[A-Za-z0-9_][A-Za-z0-9_.~-]*)*")


@dataclass(frozen=True)
class Spec:
    """What a method says of itself.

    Attributes:
        id: its name on the command line, in folders and on the page.
        entry: ``module:Class`` or ``file.py:Class`` of a ``Method``; empty for predictions that already lie on disk.
        name: its full name.
        families: of ``FAMILIES``; ``v2v`` may see one camera outside the V views, ``vto4r`` the V target videos.
        view_type: ``sv`` generates one view at a time, ``mv`` all views together.
        outputs: of ``OUTPUTS``.
        pairing: how its points are paired with true ones; ``query`` means that it answers the benchmark's anchors in order.
        scale: what its coordinates are up to; a prediction repeats it.
        presets: names that ``--preset`` takes.
        weights: ids in hoibench/weights that it loads.
        regions: where it may be ranked: only ``fg`` for a method that draws no background.
        paper: citation or URL.
        kind: ``method``; ``reference`` rows are built by the evaluation, ``published`` ones belong to a data set.
        folder: where precomputed predictions lie; None for a method that runs.
    """

    id: str
    entry: str = ""
    name: str = ""
    families: tuple[str, ...] = ()
    view_type: Literal["sv", "mv"] = "mv"
    outputs: tuple[str, ...] = ("video",)
    pairing: Pairing = "anchor"
    scale: Scale = "metric"
    presets: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    regions: tuple[str, ...] = ("full", "fg")
    paper: str = ""
    kind: Literal["method", "reference", "published"] = "method"
    folder: Path | None = None

    def __post_init__(self) -> None:
        for key, text in (("id", self.id), ("entry", self.entry), ("name", self.name), ("paper", self.paper)):
            if not isinstance(text, str) or len(text) > LONGEST or not text.isprintable():
                raise ValueError(f"{key} is {text!r:.80}, expected printable text of at most {LONGEST} characters")
        if not _ID.fullmatch(self.id) or max(map(len, self.id.split("/"))) > 100:
            raise ValueError(
                f"method id {self.id!r:.200} is no folder name: use at most 100 letters, digits, '_', '.', '-'"
            )
        for key, words in (("families", self.families), ("outputs", self.outputs), ("presets", self.presets)):
            if not isinstance(words, tuple):
                raise ValueError(f"method {self.id}: {key} is {words!r:.80}, expected a list")
        vocabularies = (
            ("families", self.families, FAMILIES),
            ("outputs", self.outputs, OUTPUTS),
            ("regions", self.regions, ("full", "fg")),
            ("pairing", (self.pairing,), PAIRINGS),
            ("scale", (self.scale,), SCALES),
            ("view_type", (self.view_type,), ("sv", "mv")),
            ("kind", (self.kind,), KINDS),
        )
        for key, words, allowed in vocabularies:
            wrong = [word for word in words if word not in allowed]
            if wrong:
                raise ValueError(f"method {self.id}: {key} holds {wrong[0]!r}, expected one of {', '.join(allowed)}")

    @property
    def title(self) -> str:
        """The full name, or the id where there is none."""
        return self.name or self.id

    @property
    def privileges(self) -> tuple[str, ...]:
        """What it is given beyond reference images, cameras and prompt."""
        given = []
        if "v2v" in self.families:
            given.append("source view")
        if "vto4r" in self.families:
            given.append("target videos")
        if self.pairing == "query" and "tracks" in self.outputs:
            given.append("query anchors")
        return tuple(given)


def parse_spec(where: str, table: Mapping[str, Any]) -> Spec:
    """A spec from a TOML table.

    Raises:
        ValueError: a key is missing, unknown or holds a word outside its vocabulary; names file, key and value.
    """
    known = {f.name for f in fields(Spec)} - {"kind", "folder"}
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; a spec has {', '.join(sorted(known))}")
    if "id" not in table:
        raise ValueError(f"{where}: the key 'id' is missing")
    try:
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
        return Spec(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
