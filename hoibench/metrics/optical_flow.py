"""Optical flow between two frames: its score (as in VBench's dynamic degree) and the pixels that move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from hoibench.clip import Array
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.regions import RegionFrame

FLOW = "dis-medium"
"""Name of the flow in ``details``: OpenCV's dense inverse search, preset MEDIUM."""

MIN_SIDE = 128
TOP_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class FrameFlow:
    """A summary of the optical flow from one frame to another.

    Attributes:
        score: mean of the largest 5 % of flow magnitudes inside the frame's mask, pixels; None if the mask is empty.
        moving: (H, W) bool, true where the magnitude exceeds the frame's ``motion_threshold``, inside the mask or not.
    """

    score: float | None
    moving: Array


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


def dis_flow(image: Array, other: Array) -> Array:
    """Return the optical flow from one (H, W, 3) uint8 image to another, by OpenCV's dense inverse search: (H, W, 2) float32 pixels (x, y)."""
    grey, other_grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (image, other))
    # One estimator per call, since it owns buffers; Any, since OpenCV's stubs forbid None, which means "no initial flow".
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Array = estimator.calc(grey, other_grey, None)
    return flow


def frame_flow(frame: RegionFrame, other: RegionFrame) -> FrameFlow:
    """Return the score and the moving pixels of the optical flow from one frame to another; the score is taken inside the first frame's mask."""
    magnitude = np.linalg.norm(dis_flow(frame.image, other.image), axis=-1)
    inside = magnitude.ravel() if frame.mask is None else magnitude[frame.mask]
    return FrameFlow(top_mean(inside), magnitude > motion_threshold(frame.size))


def top_mean(magnitudes: Array) -> float | None:
    """Return the mean of the largest 5 % of (n,) magnitudes (rounded down, at least one value); None if there are none."""
    if magnitudes.size == 0:
        return None
    count = max(1, int(TOP_SHARE * magnitudes.size))
    return float(np.partition(magnitudes, -count)[-count:].mean(dtype=np.float64))


def cached_frame_flow(case: Case, frame: RegionFrame, other: RegionFrame) -> FrameFlow:
    """Return ``frame_flow`` of two frames, computed once per case (a prediction and its clip) for each pair of frames."""
    return case.memoize((FLOW, frame.digest, other.digest), lambda: frame_flow(frame, other))
