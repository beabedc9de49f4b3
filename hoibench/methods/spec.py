"""Method specs: everything about a method but its code, read from TOML without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from hoibench.clip import Scale
from hoibench.store.records import Record, parse_record

Family = Literal["i2v", "i2vm", "v2v", "vto4r", "ito4g"]
Kind = Literal["method", "reference", "published"]
Output = Literal["video", "tracks", "points", "masks"]
Pairing = Literal["query", "anchor", "oracle-projection"]
Region = Literal["full", "fg"]
ViewType = Literal["sv", "mv"]
SettingValue = str | int | float | bool | Path

OUTPUTS: tuple[Output, ...] = ("video", "tracks", "points", "masks")
LONGEST = 500
"""Characters of any text in a spec."""

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]*(/[A-Za-z0-9_][A-Za-z0-9_.~-]*)*")
_PRESET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,99}")


def _check_text(text: str) -> str:
    if len(text) > LONGEST or not text.isprintable():
        raise ValueError(f"expected printable text of at most {LONGEST} characters")
    return text


def _check_id(name: str) -> str:
    if not _ID.fullmatch(name) or max(map(len, name.split("/"))) > 100:
        raise ValueError(f"{name!r:.200} is no folder name: use at most 100 letters, digits, '_', '.', '-'")
    return name


def _check_preset_name(name: str) -> str:
    if not _PRESET.fullmatch(name):
        raise ValueError(f"{name!r:.120} is no preset name: use at most 100 letters, digits, '_', '-'")
    return name


def _check_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r:.120} is no setting's name: use at most 100 small letters, digits, '_'")
    return key


Text = Annotated[str, AfterValidator(_check_text)]


class Setting(Record):
    """A setting that a method declares; ``--set METHOD.KEY=VALUE`` and the config file give it a value.

    Attributes:
        type: ``path`` values must exist, and are made absolute where the command was given.
        help: what it does, in a sentence.
        default: the value where none is given; None means that the method is told nothing.
        choices: the texts that are allowed; empty means any.
        decides_values: whether another value can change predictions.  The path of an interpreter cannot; a run resumes under another one.
    """

    type: Literal["path", "text", "int", "float", "flag"]
    help: Text
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()
    decides_values: bool = True


class Preset(Record):
    """A named variant of a method: what it is, its default checkpoint, and what it declares otherwise than its method.

    Attributes:
        title: its name on the page, after the method's.
        summary: one line that says what it is.
        checkpoint: the value of the setting ``checkpoint`` where none is given.
        families, view_type, outputs, pairing: as in ``Spec``, where they differ.
    """

    title: Text
    summary: Text = ""
    checkpoint: Text | None = None
    families: tuple[Family, ...] | None = None
    view_type: ViewType | None = None
    outputs: tuple[Output, ...] | None = None
    pairing: Pairing | None = None


class Upstream(Record):
    """The code that a baseline wraps: repository, the commit that is known to work, and its licence."""

    repository: Text
    commit: Text
    licence: Text


class Spec(Record):
    """What a method says of itself.

    Attributes:
        id: its name on the command line, in folders and on the page.
        entry: ``module:Class`` or ``file.py:Class`` of a ``Method``; empty for predictions that already lie on disk.
        name: its full name.
        families: ``v2v`` may see one camera outside the V views, ``vto4r`` the V target videos.
        view_type: ``sv`` generates one view at a time, ``mv`` all views together.
        outputs: what every prediction holds.
        pairing: how its points are paired with true ones; ``query`` means that it answers the benchmark's anchors in order.
        scale: what its coordinates are up to; a prediction repeats it.
        presets: its variants by name; the first is the default.
        settings: what it can be told, by key.
        weights: ids in hoibench/weights that it loads.
        regions: where it may be ranked: only ``fg`` for a method that draws no background.
        paper: citation or URL.
        upstream: the code that it wraps, if that is somebody else's.
        environment: how to install what it needs, where ``pip install hoibench`` is not enough.
        min_gpu_mb: the least GPU memory that it runs in, in MiB; None where it needs no GPU.
        status: ``available``, or ``unreleased`` for a method whose code does not exist yet, so that only its predictions can be scored.
        kind: ``method``; ``reference`` rows are built by the evaluation, ``published`` ones belong to a data set.
        folder: where precomputed predictions lie; None for a method that runs.
    """

    id: Annotated[Text, AfterValidator(_check_id)]
    entry: Text = ""
    name: Text = ""
    families: tuple[Family, ...] = ()
    view_type: ViewType = "mv"
    outputs: tuple[Output, ...] = ("video",)
    pairing: Pairing = "anchor"
    scale: Scale = "metric"
    presets: dict[Annotated[str, AfterValidator(_check_preset_name)], Preset] = Field(default_factory=dict)
    settings: dict[Annotated[str, AfterValidator(_check_key)], Setting] = Field(default_factory=dict)
    weights: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ("full", "fg")
    paper: Text = ""
    upstream: Upstream | None = None
    environment: Text = ""
    min_gpu_mb: int | None = None
    status: Literal["available", "unreleased"] = "available"
    kind: Kind = "method"
    folder: Path | None = None

    @model_validator(mode="after")
    def _check_checkpoints(self) -> Spec:
        if "checkpoint" not in self.settings:
            having = [name for name, preset in self.presets.items() if preset.checkpoint is not None]
            if having:
                raise ValueError(f"preset {having[0]!r} has a checkpoint, but the method declares no such setting")
        return self

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

    def with_preset(self, name: str) -> Spec:
        """The spec as one of its presets has it."""
        preset = self.presets[name]
        own = {key: getattr(preset, key) for key in ("families", "view_type", "outputs", "pairing")}
        changed = {key: value for key, value in own.items() if value is not None}
        return self.model_copy(update={**changed, "name": f"{self.title}, {preset.title}"})


def parse_spec(where: str, table: Mapping[str, Any]) -> Spec:
    """A spec from a TOML table.

    Raises:
        ValueError: a key is missing, unknown or holds a word outside its vocabulary; names file, key and value.
    """
    for key in ("kind", "folder"):
        if key in table:
            raise ValueError(f"{where}: unknown key {key!r}: the benchmark sets it")
    return parse_record(Spec, table, where)
