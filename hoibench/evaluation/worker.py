"""The parts that generators and scorers share: a worker's context, and its current clip."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.scored_clip import encode_truth, trim_clip
from hoibench.evaluation.stage_times import log_time
from hoibench.methods.method import Entrant
from hoibench.metric_card import Card
from hoibench.metrics.measurement import Measurement
from hoibench.processes import send


@dataclass(frozen=True)
class WorkerContext:
    """The context of a worker process, sent to it once.

    Attributes:
        config: the run's settings.
        out: the run's folder.
        device: torch device of the networks.
        split, clip_set_id: columns of every row.
        entrants: the entrants by key.
        cards: the metrics.
        rescore: True to score every stored prediction again, even if it has rows.
    """

    config: RunConfig
    out: Path
    device: str
    split: str
    clip_set_id: str
    entrants: Mapping[str, Entrant]
    cards: tuple[Card, ...]
    rescore: bool = False

    @classmethod
    def from_plan(cls, plan: Plan, *, rescore: bool = False) -> WorkerContext:
        """Return the part of a plan that its workers need."""
        entrants = {entrant.key: entrant for entrant in plan.entrants}
        return cls(
            plan.config, plan.out, plan.device, plan.manifest.split, plan.clip_set_id, entrants, plan.cards, rescore
        )


@dataclass
class LoadedClip:
    """A worker's current clip, with everything that its units share.

    Attributes:
        entry: its line of the manifest.
        clip: the clip that requests are built from.
        scored: the clip that predictions are scored against: recorded frames only, video through the codec.
        measured: measurements shared by units with the same video.
        memo: values that metrics cache for the clip.
    """

    entry: ClipEntry
    clip: Clip
    scored: Clip
    measured: dict[Hashable, list[Measurement]] = field(default_factory=dict)
    memo: dict[Hashable, Any] = field(default_factory=dict)


class ClipLoader:
    """The open data set, and the clip that was loaded last."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._dataset: Dataset | None = None
        self._loaded: LoadedClip | None = None

    @property
    def dataset(self) -> Dataset:
        """The data set, opened on first use."""
        if self._dataset is None:
            self._dataset = open_dataset(self._context.config.dataset, self._context.config.root)
        return self._dataset

    def load(self, entry: ClipEntry) -> LoadedClip:
        """Load a clip; a data set that generates its clips generates it first."""
        if self._loaded is None or self._loaded.entry != entry:
            send("loading the clip")
            with log_time("load", entry.id, "clip"):
                clip = self.dataset.load(entry)
            self._loaded = LoadedClip(entry, clip, trim_clip(encode_truth(clip)))
        return self._loaded
