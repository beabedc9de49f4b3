"""Dynamic degree: does a video move at all (VBench:vbench/dynamic_degree.py, with another optical flow)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.optical_flow import (
    FLOW,
    FrameFlow,
    cached_frame_flow,
    check_flow_size,
    frame_flow,
    motion_threshold,
    sampling_step,
)
from hoibench.metrics.regions import Frame, region_frame, regions

ComputeFlow = Callable[[Frame, Frame], FrameFlow]


@dataclass(frozen=True)
class DynamicDegree:
    """The motion of one video.

    Attributes:
        scores: one a pair of consecutive sampled frames: mean of the largest 5 % of flow magnitudes, pixels; None where the mask is empty.
        threshold: pixels that a score must exceed for its pair to have moved.
        sampled: n, the frames sampled.
        step: every so-many-th frame is sampled.
        side: min(H, W).
    """

    scores: tuple[float | None, ...]
    threshold: float
    sampled: int
    step: int
    side: int

    @property
    def moved(self) -> int:
        """Pairs that moved."""
        return sum(score is not None and score > self.threshold for score in self.scores)

    @property
    def needed(self) -> int:
        """Pairs that must have moved in a dynamic video: round(4 n / 16)."""
        return round(4 * self.sampled / 16)

    @property
    def dynamic(self) -> bool | None:
        """Whether the video is dynamic; None for one or two frames, of which the rule asks nothing."""
        return self.moved >= self.needed if self.needed else None

    @property
    def relative(self) -> float | None:
        """Mean score / min(H, W), the continuous form; None where there is no score."""
        scores = [score for score in self.scores if score is not None]
        return float(np.mean(scores)) / self.side if scores else None


def dynamic_degree(
    frames: Array, fps: float, masks: Array | None = None, compute_flow: ComputeFlow = frame_flow
) -> DynamicDegree:
    """The dynamic degree of a video.

    Args:
        frames: (N, H, W, 3) uint8.
        fps: frames per second; about 8 a second are compared.
        masks: (N, H, W) bool; the rest of the frame is painted grey and not counted.
        compute_flow: what computes the motion of a pair.

    Raises:
        NotApplicable: a side has fewer than 128 pixels.
    """
    check_shape("frames", frames, ("N", "H", "W", 3))
    size = (frames.shape[1], frames.shape[2])
    check_flow_size(size)
    step = sampling_step(fps)
    sampled = [region_frame(frames[i], None if masks is None else masks[i]) for i in range(0, len(frames), step)]
    scores = tuple(compute_flow(a, b).score for a, b in pairwise(sampled))
    return DynamicDegree(scores, motion_threshold(size), len(sampled), step, min(size))


def measure_dynamic_degree(case: Case) -> Iterator[Measurement]:
    """dynamic_degree/dis: 1 for a view that is dynamic, 0 for one that is not; the clip's value is the mean of its views."""
    return _measure(case, "no motion is asked for of 1 or 2 sampled frames", lambda degree: degree.dynamic)


def measure_dynamic_degree_px(case: Case) -> Iterator[Measurement]:
    """dynamic_degree_px/dis: the mean pair score / min(H, W) of a view; the clip's value is the mean of its views."""
    return _measure(case, "no pair of sampled frames shows the region", lambda degree: degree.relative)


def _measure(case: Case, why_none: str, value_of: Callable[[DynamicDegree], float | None]) -> Iterator[Measurement]:
    compute_flow = partial(cached_frame_flow, case)
    for region, masks in regions(case):
        values: list[float | None] = []
        for v, view in enumerate(case.clip.views):
            degree = dynamic_degree(case.video[v], case.clip.fps, None if masks is None else masks[v], compute_flow)
            values.append(value_of(degree))
            scored = sum(score is not None for score in degree.scores)
            yield Measurement(
                **_outcome(values[-1:], why_none),
                region=region,
                view=view.id,
                n_scored=scored,
                n_expected=len(degree.scores),
                details=_details(degree),
            )
        scored = sum(value is not None for value in values)
        yield Measurement(
            **_outcome(values, why_none), region=region, n_scored=scored, n_expected=len(values), details={"flow": FLOW}
        )


def _outcome(values: Sequence[float | None], why_none: str) -> dict[str, Any]:
    """Value, status and reason of the mean of those values that there are."""
    there = [value for value in values if value is not None]
    if not there:
        return {"value": None, "status": "undefined", "reason": why_none}
    return {"value": float(np.mean(there))}


def _details(degree: DynamicDegree) -> dict[str, Any]:
    return {
        "flow": FLOW,
        "step": degree.step,
        "sampled": degree.sampled,
        "threshold_px": degree.threshold,
        "moved": degree.moved,
        "needed": degree.needed,
    }
