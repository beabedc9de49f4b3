"""A run's folder, read back: what was run on what, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from hoibench.results.parquet import read_headlines
from hoibench.store import read_json

SCHEMA = "hoibench/run@1"
KINDS = ("measured", "synthetic")
METHOD_KINDS = ("reference", "method", "published")

T = TypeVar("T")


@dataclass(frozen=True)
class RunClip:
    """A clip as run.json names it; ``instances`` are the (tool, target) objects, the bootstrap's clusters."""

    id: str
    triplet: tuple[str, ...] | None = None
    instances: tuple[str, ...] | None = None
    prompt: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunMethod:
    """A method as run.json names it.

    Attributes:
        id, preset: what rows call it.
        kind: ``reference`` (never ranked), ``method``, or ``published`` (outputs that came with the data).
        families: of ``i2v``, ``i2vm``, ``v2v``, ``vto4r``, ``ito4g``.
        view_type: ``sv``, ``mv`` or None.
        regions: where it may be ranked, e.g. only ``fg`` for a method that draws no background.
        privileges: inputs beyond reference images and prompt.
    """

    id: str
    name: str
    kind: str
    families: tuple[str, ...] = ()
    view_type: str | None = None
    preset: str | None = None
    pairing: str | None = None
    paper: str | None = None
    privileges: tuple[str, ...] = ()
    regions: tuple[str, ...] = ("full", "fg")

    @property
    def folder(self) -> str:
        """``METHOD[+PRESET]``, as the run's folders are called."""
        return f"{self.id}+{self.preset}" if self.preset else self.id


@dataclass(frozen=True)
class Failure:
    """A unit of work that gave no answer: which, at which stage, and why."""

    unit: str
    stage: str
    reason: str


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the facts of run.json, and its rows on demand."""

    folder: Path
    name: str
    dataset: str
    kind: str
    split: str
    split_id: str
    clips_id: str
    clips: tuple[RunClip, ...]
    methods: tuple[RunMethod, ...]
    seeds: tuple[int, ...]
    config_hash: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    status: str = "unknown"
    failures: tuple[Failure, ...] = ()
    left_out: tuple[str, ...] = ()
    truth_id: str = ""
    notes: tuple[str, ...] = ()

    @cached_property
    def headlines(self) -> pd.DataFrame:
        """Headline rows of results.parquet (see ``read_headlines``), read once on first use."""
        return read_headlines(self.folder / "results.parquet")

    @property
    def created(self) -> str:
        """When the run was made, ISO 8601, or an empty text."""
        return str(self.provenance.get("created", ""))


def read_run(folder: Path) -> Run:
    """A run from its folder.

    Raises:
        FileNotFoundError: the folder holds no run.json.
        ValueError: run.json is broken, of another schema, or a key is missing or of the wrong type; names file and key.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; give the folder of a run, as `python -m hoibench.run` writes it"
        )
    top = _Reader(str(path), read_json(path, SCHEMA))
    end = top.child("exit")
    run = Run(
        folder=folder,
        name=top.get("name", str),
        dataset=top.get("dataset", str),
        kind=top.one_of("kind", KINDS),
        split=top.get("split", str),
        split_id=top.get("split_id", str),
        clips_id=top.get("clips_id", str),
        clips=tuple(_clip(reader) for reader in top.children("clips")),
        methods=tuple(_method(reader) for reader in top.children("methods")),
        seeds=top.several("seeds", int),
        config_hash=top.get("config_hash", str),
        provenance=top.get("provenance", dict),
        status=end.get("status", str),
        left_out=top.several("left_out", str),
        truth_id=top.maybe("truth_id", str) or "",
        notes=top.several("notes", str),
        failures=tuple(
            Failure(*(f.get(key, str) for key in ("unit", "stage", "reason"))) for f in end.children("failures")
        ),
    )
    _refuse_repeats(path, "clips", [clip.id for clip in run.clips])
    _refuse_repeats(path, "methods", [method.folder for method in run.methods])
    return run


def _clip(reader: _Reader) -> RunClip:
    return RunClip(
        id=reader.get("id", str),
        triplet=reader.several("triplet", str) or None,
        instances=reader.several("instances", str) or None,
        prompt=reader.maybe("prompt", str),
        tags=reader.several("tags", str),
    )


def _method(reader: _Reader) -> RunMethod:
    return RunMethod(
        id=reader.get("id", str),
        name=reader.get("name", str),
        kind=reader.one_of("kind", METHOD_KINDS),
        families=reader.several("families", str),
        view_type=reader.maybe("view_type", str),
        preset=reader.maybe("preset", str),
        pairing=reader.maybe("pairing", str),
        paper=reader.maybe("paper", str),
        privileges=reader.several("privileges", str),
        regions=reader.several("regions", str) or ("full", "fg"),
    )


@dataclass(frozen=True)
class _Reader:
    """A JSON object whose values are checked as they are read; ``where`` leads every message."""

    where: str
    table: Any

    def __post_init__(self) -> None:
        if not isinstance(self.table, dict):
            raise ValueError(f"{self.where} is {type(self.table).__name__}, expected an object")

    def get(self, key: str, kind: type[T]) -> T:
        value = self.maybe(key, kind)
        if value is None:
            raise ValueError(f"{self.where}: {key!r} is missing")
        return value

    def maybe(self, key: str, kind: type[T]) -> T | None:
        value = self.table.get(key)
        if value is not None and type(value) is not kind:
            raise ValueError(f"{self.where}: {key!r} is {value!r:.80}, expected {kind.__name__}")
        return value

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        word = self.get(key, str)
        if word not in words:
            raise ValueError(f"{self.where}: {key!r} is {word!r:.80}, expected {' or '.join(words)}")
        return word

    def several(self, key: str, kind: type[T]) -> tuple[T, ...]:
        values: list[Any] = self.maybe(key, list) or []
        for value in values:
            if type(value) is not kind:
                raise ValueError(f"{self.where}: {key!r} holds {value!r:.80}, expected {kind.__name__}")
        return tuple(values)

    def child(self, key: str) -> _Reader:
        return _Reader(f"{self.where}: {key}", self.get(key, dict))

    def children(self, key: str) -> list[_Reader]:
        values: list[Any] = self.maybe(key, list) or []
        return [_Reader(f"{self.where}: {key}[{n}]", value) for n, value in enumerate(values)]


def _refuse_repeats(path: Path, what: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if repeated:
        raise ValueError(f"{path}: {what} lists {sorted(repeated)[0]!r} twice")
