"""run.json: what a run is, on what clips, by which methods, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hoibench.clip_entry import ClipEntry
from hoibench.method_key import method_key
from hoibench.store.records import Record

Status = Literal["running", "done", "over_budget", "interrupted", "stopped"]


class RunMethod(Record):
    """A method of a run; a run may have one method with several presets.

    Attributes:
        id, preset: what rows call it; both together name it.
        name: the title to show.
        kind: ``reference`` (never ranked), ``method``, or ``published`` (outputs that came with the data).
        families: of ``i2v``, ``i2vm``, ``v2v``, ``vto4r``, ``ito4g``.
        regions: where it may be ranked, e.g. only ``fg`` for a method that draws no background.
        view_type: ``sv``, ``mv`` or None.
        outputs: what it gives: ``video``, ``tracks``, ``points``.
        seeds: the seeds it has rows of.
        pairing: how its points are paired with true ones; None without points.
        paper: citation or URL.
        privileges: inputs beyond reference images and prompt.
        settings: what the user set for this method.
    """

    id: str
    name: str
    kind: Literal["reference", "method", "published"]
    preset: str | None = None
    families: tuple[str, ...] = ()
    regions: tuple[str, ...] = ("full", "fg")
    view_type: Literal["sv", "mv"] | None = None
    outputs: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    pairing: str | None = None
    paper: str | None = None
    privileges: tuple[str, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """``METHOD[+PRESET]``: its name within the run, and that of its folders."""
        return method_key(self.id, self.preset)


class Failure(Record):
    """A unit of work that gave no answer: which, at which stage, and why."""

    unit: str
    stage: str
    reason: str


class Exit(Record):
    """The end of a run, or that it has none yet."""

    status: Status = "running"
    failures: tuple[Failure, ...] = ()


class RunRecord(Record):
    """The contents of run.json, or of a shard's run.<i>of<n>.json.

    Attributes:
        name: the folder's name.
        config: the settings of the run, which ``--config run.json`` takes up again.
        identity: everything that decides the values; ``config_hash`` is its hash.
        dataset, kind, has_truth: the data set's name, ``measured`` or ``synthetic``, and whether it has truth.
        split, split_id: the clips that were asked for.
        clips, clip_set_id: the clips that are scored; ``left_out`` says in words which of the split are not.
        truth_id, notes: what made the truth, and how the clips were made, where the data set says so.
        methods, metrics, seeds: what was run and measured.
        shard: ``i/n`` of a part of a run; ``merged`` tells that the run was joined of such parts.
        provenance: code, libraries, machine and command of this run; ``earlier`` holds those of parts that other code made.
        exit: how it ended.
    """

    SCHEMA: ClassVar[str] = "hoibench/run@2"

    name: str
    config: dict[str, Any]
    config_hash: str
    identity: dict[str, Any]
    dataset: str
    kind: Literal["measured", "synthetic"]
    has_truth: bool
    split: str
    split_id: str
    clip_set_id: str
    truth_id: str
    notes: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    left_out: tuple[str, ...]
    methods: tuple[RunMethod, ...]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    shard: str | None
    merged: bool
    provenance: dict[str, Any]
    earlier: tuple[dict[str, Any], ...]
    exit: Exit

    @model_validator(mode="after")
    def _refuse_repeats(self) -> Self:
        for what, names in (
            ("clips", [clip.id for clip in self.clips]),
            ("methods", [method.key for method in self.methods]),
        ):
            repeated = [name for name, count in Counter(names).items() if count > 1]
            if repeated:
                raise ValueError(f"{what} lists {repeated[0]!r} twice")
        return self

    @property
    def created(self) -> str:
        """The time at which the run was made, ISO 8601, or an empty text."""
        return str(self.provenance.get("created", ""))

    def ended(self, status: Status, failures: Iterable[Failure]) -> RunRecord:
        """This record with how the run ended."""
        return self.model_copy(update={"exit": Exit(status=status, failures=tuple(failures))})
