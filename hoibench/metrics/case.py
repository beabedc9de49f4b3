"""Cases: one prediction and its clip, the input of every metric."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hoibench.clip import Array, Clip, Pairing, Prediction
from hoibench.metrics.measurement import MISSING_INPUT, NotApplicable

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Case:
    """One prediction and the clip that it is scored on: the input of every metric.

    Attributes:
        prediction: the method's prediction, its video decoded to (V, N, H, W, 3) uint8.
        clip: the clip with its truth.
        pairing: how predicted points are paired with true ones: ``query``, ``anchor`` or ``oracle-projection``, see ``hoibench.metrics.pairing``.
        device: torch device of the metrics' networks.
        weights: folder that is searched first for the networks' weight files; None for the default folders only.
        batch: images per forward pass of a network.
        seed: seed of the metrics' own sampling (the draws of chamfer).
        case_memo: intermediate results shared by the metrics of this case, by key; see ``memoize``.
        clip_memo: intermediate results that depend on the clip only, shared by all cases of the clip; see ``memoize_for_clip``.
    """

    prediction: Prediction
    clip: Clip
    pairing: Pairing = "query"
    device: str = "cpu"
    weights: Path | None = None
    batch: int = 8
    seed: int = 0
    case_memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    clip_memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def memoize(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result stored for this case under ``key`` (features, flows, aligned tracks); if there is none, store ``compute()``."""
        return _memoize(self.case_memo, key, compute)

    def memoize_for_clip(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result stored for the clip under ``key``; if there is none, store ``compute()``: small, and dependent on the clip only."""
        return _memoize(self.clip_memo, key, compute)

    @property
    def frame_memo(self) -> MutableMapping[Hashable, Any]:
        """Results of this case by the contents of frames, e.g. flows; those of the true video are found too, for predictions that equal it."""
        return ChainMap(self.case_memo, self._results_of_truth)

    @property
    def true_frame_memo(self) -> MutableMapping[Hashable, Any]:
        """Results of the true video by the contents of frames, kept for all cases of the clip; those of this case are found too."""
        return ChainMap(self._results_of_truth, self.case_memo)

    @property
    def _results_of_truth(self) -> dict[Hashable, Any]:
        results: dict[Hashable, Any] = self.clip_memo.setdefault("frames of the truth", {})
        return results

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
            raise NotApplicable(MISSING_INPUT["video"])
        return self.prediction.video


def _memoize(memo: dict[Hashable, Any], key: Hashable, compute: Callable[[], T]) -> T:
    if key not in memo:
        memo[key] = compute()
    value: T = memo[key]
    return value
