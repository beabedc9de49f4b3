"""The format of run.json: the clips, methods, settings and provenance of a run, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hoibench.clip import DataKind
from hoibench.clip_entry import ClipEntry
from hoibench.method_key import method_key
from hoibench.store.records import Record

RunStatus = Literal["running", "done", "over_budget", "interrupted", "stopped"]


def seeds_on_clip(seeds: tuple[int, ...], *, is_first: bool, deterministic: bool) -> tuple[int, ...]:
    """Return the seeds of a method on a clip: on a run's first clip, one more for a method that claims that the seed changes nothing."""
    return (*seeds, seeds[-1] + 1) if deterministic and is_first else seeds


class RunMethod(Record):
    """A method of a run with one of its presets (named settings), or without one.

    Attributes:
        id, preset: ids of the method and the preset, which identify it in result rows.
        name: the title for the leaderboard.
        kind: ``reference`` (never ranked), ``method``, or ``published`` (outputs that came with the data set).
        families: the method's kinds by input and output: some of ``i2v``, ``i2vm``, ``v2v``, ``vto4r``, ``ito4g``.
        regions: the regions in which it may be ranked, e.g. only ``fg`` for a method that draws no background.
        view_type: ``sv`` (one view at a time), ``mv`` (all views together) or None if not stated.
        outputs: the kinds of output: some of ``video``, ``tracks``, ``points``, ``masks``.
        seeds: the seeds that it was run with.
        deterministic: true if it claims that the seed does not change its predictions; ``seeds_on_clip`` has one more seed to check that.
        pairing: how its points are paired with true points; None without points.
        paper: the paper's citation or URL.
        privileges: the inputs that it gets beyond reference images, cameras and prompt, as short texts.
        settings: the values of its settings, given or default, by name.
        precomputed: true if its predictions were not made by the run, but read from a folder.
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
    deterministic: bool = False
    pairing: str | None = None
    paper: str | None = None
    privileges: tuple[str, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    precomputed: bool = False

    def seeds_of(self, clip: str, first_clip: str) -> tuple[int, ...]:
        """Return the seeds that it was run with on a clip of a run whose first clip is ``first_clip``."""
        return seeds_on_clip(self.seeds, is_first=clip == first_clip, deterministic=self.deterministic)

    @property
    def key(self) -> str:
        """The method's key ``METHOD[+PRESET]``, also the name of its folders in a run."""
        return method_key(self.id, self.preset)


class Failure(Record):
    """A unit of work (a method on a clip with a seed) that failed.

    Attributes:
        unit: the unit's key, ``METHOD[+PRESET]/seed-S/CLIP``.
        stage: the stage at which it failed.
        reason: the reason in one line.
        log: the file with the output of the unit's process, relative to the run's folder; None without one.
        output: the last lines of that output.
    """

    unit: str
    stage: str
    reason: str
    log: str | None = None
    output: str = ""


class Exit(Record):
    """The state in which a run ended, or ``running``, and the units that failed."""

    status: RunStatus = "running"
    failures: tuple[Failure, ...] = ()

    @property
    def is_finished(self) -> bool:
        """True if the run tried all its units."""
        return self.status in ("done", "over_budget")


class RunRecord(Record):
    """The contents of run.json, or of run.<i>of<n>.json for a shard (part i of a run that is split into n parts).

    Attributes:
        name: the folder's name.
        config: the settings of the run; ``--config run.json`` repeats a run with them.
        identity: everything that determines the values; ``config_hash`` is its hash.
        dataset: the data set's name.
        kind: the kind of data, ``measured`` or ``synthetic``.
        has_truth: true if the data set has truth.
        split, split_id: name and content id of the requested split.
        clips, clip_set_id: the clips that are scored, and the id of this set of clips.
        excluded: for each reason why clips of the split are not scored, a text with their number.
        truth_id: id of the version or preparation of the truth; may be empty.
        notes: sentences on how the clips were prepared.
        methods, metrics, seeds: the scored methods, metric ids and seeds.
        shard: ``i/n`` for shard i of n; None for a complete run.
        merged: true if the run was merged from shards.
        provenance: code, libraries, machine and command of this run.
        earlier_provenance: the same for parts of the run that were made by other code or on another machine.
        exit: the state in which the run ended.
    """

    SCHEMA: ClassVar[str] = "hoibench/run@4"

    name: str
    config: dict[str, Any]
    config_hash: str
    identity: dict[str, Any]
    dataset: str
    kind: DataKind
    has_truth: bool
    split: str
    split_id: str
    clip_set_id: str
    truth_id: str
    notes: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    excluded: tuple[str, ...]
    methods: tuple[RunMethod, ...]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    shard: str | None
    merged: bool
    provenance: dict[str, Any]
    earlier_provenance: tuple[dict[str, Any], ...]
    exit: Exit

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        for key, names in (
            ("clips", [clip.id for clip in self.clips]),
            ("methods", [method.key for method in self.methods]),
        ):
            repeated = [name for name, count in Counter(names).items() if count > 1]
            if repeated:
                raise ValueError(f"{key} lists {repeated[0]!r} twice")
        return self

    @property
    def created(self) -> str:
        """The start time of the run, ISO 8601; empty if unknown."""
        return str(self.provenance.get("created", ""))

    def with_exit(self, status: RunStatus, failures: Iterable[Failure]) -> RunRecord:
        """Return a copy of this record with the state in which the run ended and the units that failed."""
        return self.model_copy(update={"exit": Exit(status=status, failures=tuple(failures))})
