"""Method specs: everything about a method except its code, read from TOML without importing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from hoibench.clip import Pairing, Scale
from hoibench.store.records import Record, parse_record

Family = Literal["i2v", "i2vm", "v2v", "vto4r", "ito4g"]
Kind = Literal["method", "reference", "published"]
Output = Literal["video", "tracks", "points", "masks"]
Region = Literal["full", "fg"]
ViewType = Literal["sv", "mv"]
SettingValue = str | int | float | bool | Path

OUTPUTS: tuple[Output, ...] = ("video", "tracks", "points", "masks")
MAX_TEXT_LENGTH = 500

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.~-]{0,99}"


def _check(is_valid: Callable[[str], object], message: str) -> AfterValidator:
    """Return a validator that rejects texts that do not match, with the error ``TEXT MESSAGE``."""

    def check(text: str) -> str:
        if not is_valid(text):
            raise ValueError(f"{text!r:.120} {message}")
        return text

    return AfterValidator(check)


Text = Annotated[
    str,
    _check(
        lambda text: len(text) <= MAX_TEXT_LENGTH and text.isprintable(),
        f"is not printable text of at most {MAX_TEXT_LENGTH} characters",
    ),
]
MethodId = Annotated[
    Text,
    _check(
        re.compile(rf"{_PART}(/{_PART})*").fullmatch,
        "is not a folder name: use at most 100 letters, digits, '_', '.', '-'",
    ),
]
PresetName = Annotated[
    str,
    _check(
        re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}").fullmatch,
        "is not a preset name: use at most 100 letters, digits, '_', '-'",
    ),
]
SettingKey = Annotated[
    str,
    _check(
        re.compile(r"[a-z][a-z0-9_]{0,99}").fullmatch,
        "is not a setting's name: use at most 100 small letters, digits, '_'",
    ),
]


class Setting(Record):
    """A setting that a method declares; ``--set METHOD.KEY=VALUE`` or the config file sets its value.

    Attributes:
        type: a ``path`` must exist, and is made absolute from the working folder.
        help: one sentence that says what the setting does.
        default: the value if none is given; None leaves the setting out.
        required: whether there must be a value, the default, a preset's or a given one.
        choices: the allowed texts; empty allows any.
        minimum: the least allowed number; None allows any.
        affects_predictions: False if a run may be resumed with another value, e.g. the path of an interpreter.
    """

    type: Literal["path", "text", "int", "float", "flag"]
    help: Text
    default: str | int | float | bool | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int | float | None = None
    affects_predictions: bool = True


class Preset(Record):
    """A named variant of a method: defaults of settings, and the fields in which it differs from the method's spec.

    Attributes:
        title: its name on the page, after the method's.
        summary: one line that describes it.
        settings: defaults of the method's settings; a relative path is relative to the spec's folder.
        families, view_type, outputs, pairing, scale: as in ``Spec``, or None for the method's own.
    """

    title: Text
    summary: Text = ""
    settings: dict[SettingKey, str | int | float | bool] = Field(default_factory=dict)
    families: tuple[Family, ...] | None = None
    view_type: ViewType | None = None
    outputs: tuple[Output, ...] | None = None
    pairing: Pairing | None = None
    scale: Scale | None = None


class Upstream(Record):
    """The code that a baseline wraps: repository, tested commit, and licence."""

    repository: Text
    commit: Text
    licence: Text


class NeededFile(Record):
    """A file or model that upstream code needs and that the user has to get.

    Attributes:
        path: its path in the upstream tree; empty for a model that upstream code reads from its Hugging Face cache.
        hub: the id of a Hugging Face model, ``OWNER/NAME``, or empty.
        url: the page to download it from, if it has no ``hub``.
        note: what else must be known to get it, in one sentence.
    """

    path: Text = ""
    hub: Text = ""
    url: Text = ""
    note: Text = ""


class Spec(Record):
    """The description of a method.

    Attributes:
        id: the name on the command line, in folders and on the page.
        entry: ``module:Class`` or ``file.py:Class`` of a ``Method``; empty for stored predictions.
        name: the full name.
        families: ``v2v`` methods may see one camera outside the V views, ``vto4r`` methods the V target videos.
        view_type: ``sv`` generates one view at a time, ``mv`` all views together.
        outputs: the contents of every prediction.
        pairing: how its points are paired with true points; ``query`` methods return one point per anchor of the request, in order.
        scale: the scale of its coordinates; each prediction repeats it.
        presets: its variants by name; the first is the default.
        settings: its settings by key.
        deterministic: True claims that the seed does not change the predictions: a run then generates one seed, and two seeds on its first clip
            to check the claim.
        weights: ids in hoibench/weights that it loads.
        regions: where it may be ranked: only ``fg`` for a method that draws no background.
        paper: citation or URL.
        upstream: third-party code that it wraps.
        terms: terms of use of that code or its weights that the user must accept with the setting ``accept_terms``.
        files: files that the code needs beside its repository.
        environment: how to install what it needs beyond ``pip install hoibench``.
        preload: modules that take seconds to import; on a CPU, a run imports those of built-in methods once for all its processes.
        min_gpu_mb: the GPU memory that it needs in MiB; None if it needs no GPU.
        status: ``available``, or ``unreleased`` for a method without released code, for which only stored predictions can be scored.
        kind: ``method``; ``reference`` rows are built by the evaluation, ``published`` ones belong to a data set.
        folder: the folder of stored predictions; None for a method that runs.
    """

    id: MethodId
    entry: Text = ""
    name: Text = ""
    families: tuple[Family, ...] = ()
    view_type: ViewType = "mv"
    outputs: tuple[Output, ...] = ("video",)
    pairing: Pairing = "anchor"
    scale: Scale = "metric"
    presets: dict[PresetName, Preset] = Field(default_factory=dict)
    settings: dict[SettingKey, Setting] = Field(default_factory=dict)
    deterministic: bool = False
    weights: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ("full", "fg")
    paper: Text = ""
    upstream: Upstream | None = None
    terms: Text = ""
    files: tuple[NeededFile, ...] = ()
    environment: Text = ""
    preload: tuple[str, ...] = ()
    min_gpu_mb: int | None = None
    status: Literal["available", "unreleased"] = "available"
    kind: Kind = "method"
    folder: Path | None = None

    @model_validator(mode="after")
    def _check_presets(self) -> Spec:
        for name, preset in self.presets.items():
            if unknown := sorted(preset.settings.keys() - self.settings.keys()):
                raise ValueError(f"preset {name!r} has a default of {unknown[0]!r}, which is no setting of the method")
        return self

    @property
    def title(self) -> str:
        """The full name, or the id if there is none."""
        return self.name or self.id

    @property
    def privileges(self) -> tuple[str, ...]:
        """The inputs that it receives in addition to reference images, cameras and prompt."""
        privileges = []
        if "v2v" in self.families:
            privileges.append("source view")
        if "vto4r" in self.families:
            privileges.append("target videos")
        if self.pairing == "query":
            privileges.append("query anchors")
        return tuple(privileges)

    def with_preset(self, name: str) -> Spec:
        """Return the spec with one of its presets applied."""
        preset = self.presets[name]
        fields = {key: getattr(preset, key) for key in ("families", "view_type", "outputs", "pairing", "scale")}
        changes = {key: value for key, value in fields.items() if value is not None}
        return self.model_copy(update={**changes, "name": f"{self.title}, {preset.title}"})


def parse_spec(where: str, table: Mapping[str, Any], folder: Path | None = None) -> Spec:
    """Parse the spec in a TOML table.

    Args:
        where: the file, for error messages.
        table: the contents of the file.
        folder: the file's folder, to which paths in presets are relative; None for the working folder.

    Raises:
        ValueError: a key is missing, unknown or has a wrong value; the message names file, key and value.
    """
    for key in ("kind", "folder"):
        if key in table:
            raise ValueError(f"{where}: unknown key {key!r}: the benchmark sets it")
    spec = parse_record(Spec, table, where)
    return spec if folder is None else spec.model_copy(update={"presets": _resolve_paths(spec, folder)})


def _resolve_paths(spec: Spec, folder: Path) -> dict[str, Preset]:
    """Return a spec's presets with the paths in their settings relative to ``folder``."""
    paths = {name for name, setting in spec.settings.items() if setting.type == "path"}
    return {
        name: preset.model_copy(
            update={"settings": {k: str(folder / str(v)) if k in paths else v for k, v in preset.settings.items()}}
        )
        for name, preset in spec.presets.items()
    }
