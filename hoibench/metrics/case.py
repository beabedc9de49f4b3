"""One prediction against one clip: what every metric is given."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hoibench.clip import Array, Clip, Prediction
from hoibench.metrics.measurement import NotApplicable

T = TypeVar("T")
Pairing = Literal["query", "anchor", "oracle-projection"]


@dataclass(frozen=True, eq=False)
class Case:
    """What a metric sees.

    Attributes:
        prediction: the method's answer, its video decoded to (V, N, H, W, 3) uint8.
        clip: the clip with its truth.
        pairing: how predicted points are paired with true ones.
        device: torch device for networks.
        weights: extra folder to look for weight files in.
        batch: images a network takes at once.
        seed: seed of a metric's own sampling (farthest-point start, RANSAC state), fixed per run.
        sample_memo: results that several metrics of this case share, by key; see ``memoize``.
        clip_memo: results that rest on the clip alone, which all cases of the clip may share; see ``memoize_for_clip``.
    """

    prediction: Prediction
    clip: Clip
    pairing: Pairing = "query"
    device: str = "cpu"
    weights: Path | None = None
    batch: int = 8
    seed: int = 0
    sample_memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    clip_memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def memoize(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``make()``, computed once a case for each ``key`` (features, flows, aligned tracks)."""
        return _remember(self.sample_memo, key, make)

    def memoize_for_clip(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``make()``, which must rest on the clip alone (small things: a count, true points), once a clip."""
        return _remember(self.clip_memo, key, make)

    @property
    def video(self) -> Array:
        """(V, N, H, W, 3) uint8 predicted frames.

        Raises:
            NotApplicable: the method gives no video.
        """
        if isinstance(self.prediction.video, tuple):
            raise TypeError("Case.prediction.video holds paths; decode them first with hoibench.predictions")
        if self.prediction.video is None:
            raise NotApplicable("the method gives no video")
        return self.prediction.video


def _remember(known: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    if key not in known:
        known[key] = make()
    value: T = known[key]
    return value
