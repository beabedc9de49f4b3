"""Optical flow between two frames: its score (as in VBench's dynamic degree) and the pixels that move."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np

from hoibench.clip import Array
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NotApplicable, Unavailable
from hoibench.metrics.regions import RegionFrame
from hoibench.weights import WeightsMissing

MIN_SIDE = 128
TOP_SHARE = 0.05


class Flow(Protocol):
    """Interface of an algorithm that computes the optical flow between two images."""

    @property
    def name(self) -> str:
        """The algorithm's name in ``details``, e.g. ``dis-medium``."""

    @property
    def weights(self) -> Mapping[str, str]:
        """The sha256 of each weight file that the algorithm loads, by weight id; empty if it has none."""

    def flows(self, pairs: Iterable[tuple[Array, Array]]) -> Iterator[Array]:
        """Yield the flow of each pair of (H, W, 3) uint8 images of one size, from the first to the second: (H', W', 2) float32 pixels (x, y).

        H' and W' exceed H and W if the algorithm pads its images, on both sides alike, an odd pixel at the right and at the bottom.
        """


@dataclass(frozen=True)
class Dis:
    """A ``Flow`` by OpenCV's dense inverse search, preset MEDIUM, on grey images; needs no weights."""

    name: str = "dis-medium"
    weights: Mapping[str, str] = field(default_factory=dict)

    def flows(self, pairs: Iterable[tuple[Array, Array]]) -> Iterator[Array]:
        """Yield the flow of each pair of (H, W, 3) uint8 images, from the first to the second: (H, W, 2) float32 pixels (x, y)."""
        for image, other in pairs:
            grey, other_grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (image, other))
            # One estimator per pair, since it owns buffers; Any, since OpenCV's stubs forbid None, which means "no initial flow".
            estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            yield estimator.calc(grey, other_grey, None)


def load_raft_flow(case: Case) -> Flow:
    """Load the RAFT flow on the case's device, with the case's folder of weights.

    Raises:
        Unavailable: its weights are missing.
    """
    from hoibench.metrics.backbones.raft import load_raft  # imports torch, which DIS does not need

    try:
        return load_raft(case.device, case.weights, case.batch)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error


@dataclass(frozen=True, eq=False)
class FrameFlow:
    """A summary of the optical flow from one frame to another.

    Attributes:
        score: mean of the largest 5 % of flow magnitudes, pixels: with a mask those inside it, without one also those in the padding of the flow;
            None if the mask is empty.
        size: (H, W) of the frames.
        moving_bits: the values of ``moving``, eight to a byte.
    """

    score: float | None
    size: tuple[int, int]
    moving_bits: Array

    @property
    def moving(self) -> Array:
        """(H, W) bool, true where the magnitude exceeds the frame's ``motion_threshold``, inside the mask or not."""
        height, width = self.size
        moving: Array = np.unpackbits(self.moving_bits, count=height * width).reshape(self.size).view(bool)
        return moving


def check_flow_size(size: tuple[int, int]) -> None:
    """Raise NotApplicable if a side of the (H, W) frames is under 128 px, too small for optical flow."""
    if min(size) < MIN_SIDE:
        raise NotApplicable(
            f"frames of {size[0]}x{size[1]} pixels are too small for optical flow, which needs {MIN_SIDE} on each side"
        )


def sampling_step(fps: float) -> int:
    """Return the step between sampled frames, about 8 frames per second: max(1, round(fps / 8)), halves to even as in VBench."""
    return max(1, round(fps / 8))


def motion_threshold(size: tuple[int, int]) -> float:
    """Return the flow magnitude, in pixels, above which a pixel of an (H, W) frame moves: 6 min(H, W) / 256 (VBench:vbench/dynamic_degree.py)."""
    return 6.0 * min(size) / 256.0


def frame_flows(
    flow: Flow, pairs: Iterable[tuple[RegionFrame, RegionFrame]], memo: MutableMapping[Hashable, Any] | None = None
) -> list[FrameFlow]:
    """Return the score and the moving pixels of the optical flow of each pair of frames, from the first to the second.

    Args:
        flow: computes the optical flow, e.g. ``Dis()``.
        pairs: frames of one size, read one after another.
        memo: stores results by the frames' contents, so that equal pairs are computed once; by default among these pairs only.
    """
    memo = {} if memo is None else memo
    keys: list[Hashable] = []
    computed: deque[tuple[Hashable, RegionFrame]] = deque()

    def new_pairs() -> Iterator[tuple[Array, Array]]:
        started = set()
        for frame, other in pairs:
            key = ("flow", flow.name, frame.digest, other.digest)
            keys.append(key)
            if key not in memo and key not in started:
                started.add(key)
                computed.append((key, frame))
                yield frame.image, other.image

    for vectors in flow.flows(new_pairs()):
        key, frame = computed.popleft()
        memo[key] = _summarize(vectors, frame)
    return [memo[key] for key in keys]


def _summarize(vectors: Array, frame: RegionFrame) -> FrameFlow:
    x, y = vectors[..., 0], vectors[..., 1]
    magnitude = np.sqrt(x * x + y * y)  # np.linalg.norm is slow along a short axis
    height, width = frame.size
    top, left = (magnitude.shape[0] - height) // 2, (magnitude.shape[1] - width) // 2
    unpadded = magnitude[top : top + height, left : left + width]
    score = top_mean(magnitude.ravel() if frame.mask is None else unpadded[frame.mask])
    return FrameFlow(score, frame.size, np.packbits(unpadded > motion_threshold(frame.size)))


def top_mean(magnitudes: Array) -> float | None:
    """Return the mean of the largest 5 % of (n,) magnitudes (rounded down, at least one value); None if there are none."""
    if magnitudes.size == 0:
        return None
    count = max(1, int(TOP_SHARE * magnitudes.size))
    return float(np.partition(magnitudes, -count)[-count:].mean(dtype=np.float64))
