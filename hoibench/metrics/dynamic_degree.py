"""dynamic_degree: whether a video moves at all (VBench:vbench/dynamic_degree.py), and how much; with VBench's optical flow, or one without weights.

Formula:    dynamic_degree = mean_v 1( #{pairs: s > 6 min(H, W) / 256} >= round(4 n / 16) );  dynamic_degree_px = mean_v mean_pairs s / min(H, W)
            s: mean of the largest 5 % of flow magnitudes between two consecutive sampled frames, pixels; n frames are sampled, one every
            max(1, round(fps / 8)).  In the full frame, the padding of RAFT's flow to multiples of 8 pixels counts, as in VBench.
            net_motion = mean_v mean_pairs s / min(H, W) of frames that are 4 sampled frames apart, half a second.
Ranking:    dynamic_degree by the distance from the true video's value; without a true video it is not ranked.
Flows:      RAFT (vbench, ``backbones.raft``), OpenCV's DIS (dis); values of different flows must not be compared.
Regions:    full frame; fg: pixels outside the union of the two frames' masks are grey, and only magnitudes inside the first frame's mask count.
Card:       cards/video.toml
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hoibench.clip import Array, check_mask, check_pixels
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.optical_flow import (
    Dis,
    Flow,
    check_flow_size,
    frame_flows,
    load_raft_flow,
    motion_threshold,
    sampling_step,
)
from hoibench.metrics.regions import frame_pairs, region_masks

NET_INTERVAL = 4
"""Eighths of a second between the frames that net motion compares: after half a second, a shaken or flickering still frame is where it was."""
TOO_FEW = "the clip has only 1 or 2 sampled frames, too few for VBench's count"
NO_PAIR = "no pair of sampled frames shows the region"


@dataclass(frozen=True)
class DynamicDegree:
    """The amount of motion in the video of one view.

    Attributes:
        scores: one per pair of consecutive sampled frames: mean of the largest 5 % of flow magnitudes, pixels; None if the mask is empty.
        threshold: pixels; the pair moved if its score exceeds it.
        sampled: n, the number of sampled frames.
        step: frames from one sampled frame to the next.
        side: min(H, W).
    """

    scores: tuple[float | None, ...]
    threshold: float
    sampled: int
    step: int
    side: int

    @property
    def moved(self) -> int:
        """The number of pairs of sampled frames that moved: those with a score above the threshold."""
        return sum(score is not None and score > self.threshold for score in self.scores)

    @property
    def needed(self) -> int:
        """The number of pairs of sampled frames that must move in a dynamic video: round(4 n / 16) for n sampled frames."""
        return round(4 * self.sampled / 16)

    @property
    def dynamic(self) -> bool | None:
        """True if at least ``needed`` pairs moved; None for one or two sampled frames, for which no moving pair would be needed."""
        return self.moved >= self.needed if self.needed else None

    @property
    def relative(self) -> float | None:
        """The mean score divided by min(H, W), a continuous measure of motion; None if no pair has a score."""
        scores = [score for score in self.scores if score is not None]
        return float(np.mean(scores)) / self.side if scores else None


def dynamic_degree(
    frames: Array,
    fps: float,
    masks: Array | None = None,
    flow: Flow | None = None,
    interval: int = 1,
    memo: MutableMapping[Hashable, Any] | None = None,
) -> DynamicDegree:
    """Measure by optical flow how much a video of one view moves, and whether it counts as dynamic.

    Args:
        frames: (N, H, W, 3) uint8.
        fps: frames per second of the video; about 8 per second are sampled and compared.
        masks: (N, H, W) bool; pixels outside are painted grey and not counted.
        flow: computes the optical flow; by default ``Dis()``.
        interval: eighths of a second from one sampled frame to the next.
        memo: stores flows by the frames' contents, see ``frame_flows``.

    Raises:
        NotApplicable: a side has fewer than 128 pixels.
        ValueError: ``frames`` or ``masks`` has another shape or dtype.

    >>> noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> image = noise.repeat(8, axis=0).repeat(8, axis=1)  # 128x128
    >>> moving = np.stack([np.roll(image, 5 * n, axis=1) for n in range(4)])
    >>> dynamic_degree(moving, fps=8).dynamic, dynamic_degree(moving[[0, 0, 0, 0]], fps=8).dynamic
    (True, False)
    """
    check_pixels("frames", frames, ("N", "H", "W", 3))
    if masks is not None:
        check_mask("masks", masks, frames.shape[:3])
    size = (frames.shape[1], frames.shape[2])
    check_flow_size(size)
    step = interval * sampling_step(fps)
    sampled = range(0, len(frames), step)
    found = frame_flows(flow or Dis(), frame_pairs(frames, masks, sampled), memo)
    return DynamicDegree(tuple(pair.score for pair in found), motion_threshold(size), len(sampled), step, min(size))


def measure_dynamic_degree(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of dynamic_degree/dis@2 (no unit; nearer to the truth's is better; 0 to 1): 0 or 1 per view, then their mean."""
    return _measure(case, Dis(), TOO_FEW, lambda degree: degree.dynamic)


def measure_dynamic_degree_px(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of dynamic_degree_px/dis@2 (of the short side; not ranked; 0 or more): pairs of frames, views, their mean."""
    return _measure_magnitude(case, Dis())


def measure_vbench(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of dynamic_degree/vbench@1 (no unit; nearer to the truth's is better; 0 to 1): 0 or 1 per view, then their mean."""
    return _measure(case, load_raft_flow(case), TOO_FEW, lambda degree: degree.dynamic)


def measure_vbench_px(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of dynamic_degree_px/vbench@1 (of the short side; not ranked; 0 or more): pairs of frames, views, their mean."""
    return _measure_magnitude(case, load_raft_flow(case))


def measure_net_motion(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of net_motion/dis@1 (of the short side; not ranked; 0 or more): one per view, then their mean."""
    return _measure(case, Dis(), NO_PAIR, lambda degree: degree.relative, NET_INTERVAL)


def _measure_magnitude(case: Case, flow: Flow) -> Iterator[Measurement]:
    """Yield the magnitude of each pair of frames, under the index of the first, then those of the views and the clip."""
    for region, masks in region_masks(case):
        for view, degree in zip(case.clip.views, _region_degrees(case, flow, region, masks, 1), strict=True):
            columns: dict[str, Any] = {"region": region, "view": view.id, "weights": flow.weights}
            for pair, score in enumerate(degree.scores):
                if score is not None:
                    details = _details(flow)
                    yield Measurement(score / degree.side, frame=pair * degree.step, details=details, **columns)
    yield from _measure(case, flow, NO_PAIR, lambda degree: degree.relative)


def _measure(
    case: Case, flow: Flow, undefined: str, get_value: Callable[[DynamicDegree], float | None], interval: int = 1
) -> Iterator[Measurement]:
    for region, masks in region_masks(case):
        degrees = _region_degrees(case, flow, region, masks, interval)
        values: list[float | None] = []
        for view, degree in zip(case.clip.views, degrees, strict=True):
            values.append(get_value(degree))
            yield Measurement(
                **_mean_or_reason(values[-1:], undefined),
                region=region,
                view=view.id,
                n_scored=sum(score is not None for score in degree.scores),
                n_expected=len(degree.scores),
                weights=flow.weights,
                details={**_details(flow), **_counts(degree)},
            )
        truth = _mean([get_value(degree) for degree in _true_degrees(case, flow, region, interval)])
        yield Measurement(
            **_mean_or_reason(values, undefined),
            region=region,
            n_scored=sum(value is not None for value in values),
            n_expected=len(values),
            weights=flow.weights,
            details={**_details(flow), **({} if truth is None else {"truth": truth})},
        )


def _region_degrees(case: Case, flow: Flow, region: str, masks: Array | None, interval: int) -> list[DynamicDegree]:
    """Return the motion of the predicted video's views in a region with these masks, computed once per case."""
    key = ("dynamic degree", flow.name, region, interval)
    return case.memoize(key, partial(_degrees, case.frame_memo, case, flow, case.video, masks, interval))


def _degrees(
    memo: MutableMapping[Hashable, Any], case: Case, flow: Flow, video: Array, masks: Array | None, interval: int
) -> list[DynamicDegree]:
    return [
        dynamic_degree(frames, case.clip.fps, None if masks is None else masks[v], flow, interval, memo)
        for v, frames in enumerate(video)
    ]


def _true_degrees(case: Case, flow: Flow, region: str, interval: int) -> list[DynamicDegree]:
    """Return the motion of the true video's views in a region; nothing if there is no true video, or no true masks for the foreground."""
    video, masks = case.clip.video, case.clip.masks if region == "fg" else None
    if video is None or (region == "fg" and masks is None):
        return []
    key = ("dynamic degree of the truth", flow.name, region, interval)
    return case.memoize_for_clip(key, partial(_degrees, case.true_frame_memo, case, flow, video, masks, interval))


def _mean_or_reason(values: Sequence[float | None], undefined: str) -> dict[str, Any]:
    """Return fields of ``Measurement``: the mean of the values that are not None, or, without any, status ``undefined`` with the given reason."""
    mean = _mean(values)
    return {"value": None, "status": "undefined", "reason": undefined} if mean is None else {"value": mean}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _details(flow: Flow) -> dict[str, Any]:
    return {"flow": flow.name} | ({"precision": "fp32"} if flow.weights else {})


def _counts(degree: DynamicDegree) -> dict[str, Any]:
    return {
        "step": degree.step,
        "sampled": degree.sampled,
        "threshold_px": degree.threshold,
        "moved": degree.moved,
        "needed": degree.needed,
    }
