"""Parts that generators and scorers share: the context of a worker, and the clip that it is on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.codec import encode_truth
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.padding import trim_clip
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.unit import Unit
from hoibench.methods.method import Entrant
from hoibench.metric_card import Card
from hoibench.metrics.measurement import Measurement
from hoibench.predictions import PREDICTION_FILE
from hoibench.reference_rows import FROZEN_SELF
from hoibench.store import remove_temporary_files

Stage = Literal["generate", "score"]


@dataclass(frozen=True)
class WorkerContext:
    """The context of a worker process, sent to it once.

    Attributes:
        config: the run's settings.
        out: the run's folder.
        device: torch device of networks.
        split, clip_set_id: as rows hold them.
        entrants: by key.
        cards: the metrics.
        rescore: whether stored predictions are scored anew, whatever rows there are.
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
    def of(cls, plan: Plan, *, rescore: bool = False) -> WorkerContext:
        """The context of a plan."""
        entrants = {entrant.key: entrant for entrant in plan.entrants}
        return cls(
            plan.config, plan.out, plan.device, plan.manifest.split, plan.clip_set_id, entrants, plan.cards, rescore
        )


@dataclass(frozen=True)
class UnitReport:
    """The end of one stage of a unit.

    Attributes:
        unit: the unit.
        stage: ``generate`` or ``score``.
        seconds: that it took.
        worked: whether anything was left to do.
        failure: ``STAGE: REASON``, or None.
        follows: whether it failed because the prediction that it is made from did, which counts once.
    """

    unit: Unit
    stage: Stage
    seconds: float
    worked: bool
    failure: str | None = None
    follows: bool = False


@dataclass
class LoadedClip:
    """The clip that a worker is on, with what all its units share.

    Attributes:
        entry: its line of the manifest.
        clip: as methods' requests are made from it.
        scored: as it is scored: what was recorded, its video after the codec.
        measured: measurements that units with the same video share.
        memo: what metrics keep about the clip.
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
        """A clip, generated first where the data set generates."""
        if self._loaded is None or self._loaded.entry != entry:
            clip = self.dataset.load(entry)
            self._loaded = LoadedClip(entry, clip, trim_clip(encode_truth(clip)))
        return self._loaded


def forget(out: Path, unit: Unit) -> None:
    """Remove what was made from a prediction that is about to be made anew: its rows, and the row that holds its first frame."""
    unit.scores(out).unlink(missing_ok=True)
    remove_temporary_files(unit.prediction(out))
    (unit.with_prefix(FROZEN_SELF).prediction(out) / PREDICTION_FILE).unlink(missing_ok=True)
