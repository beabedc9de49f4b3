"""Cases: one prediction and its clip, the input of every metric."""

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
    """One prediction and its clip.

    Attributes:
        prediction: the method's prediction, its video decoded to (V, N, H, W, 3) uint8.
        clip: the clip with its truth.
        pairing: how predicted points are paired with true ones, see ``hoibench.metrics.pairing``.
        device: torch device for networks.
        weights: extra folder to search for weight files.
        batch: images per forward pass of a network.
        seed: seed of the metrics' own sampling (start of farthest-point sampling), fixed per run.
        sample_memo: results shared by the metrics of this case, by key; see ``memoize``.
        clip_memo: results that depend on the clip only, shared by all cases of the clip; see ``memoize_for_clip``.
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

    def memoize(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return ``compute()``, called once per case and ``key`` (features, flows, aligned tracks)."""
        return _memoize(self.sample_memo, key, compute)

    def memoize_for_clip(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return ``compute()``, called once per clip and ``key``; the (small) result must depend on the clip only."""
        return _memoize(self.clip_memo, key, compute)

    @property
    def video(self) -> Array:
        """(V, N, H, W, 3) uint8 predicted frames.

        Raises:
            NotApplicable: the method gives no video.
            TypeError: the video is not decoded.
        """
        if isinstance(self.prediction.video, tuple):
            raise TypeError("the prediction's video is encoded: call hoibench.predictions.decode_prediction first")
        if self.prediction.video is None:
            raise NotApplicable("the method gives no video")
        return self.prediction.video


def _memoize(memo: dict[Hashable, Any], key: Hashable, compute: Callable[[], T]) -> T:
    if key not in memo:
        memo[key] = compute()
    value: T = memo[key]
    return value
