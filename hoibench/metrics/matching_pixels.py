"""matching_pixels: the number of points that are found in two views of the same moment.

Formula:    matching_pixels = mean over pairs of views and every 4th frame, without frame 0, of the matches that pass the matcher and agree with one
            fundamental matrix (``epipolar.magsac_inliers``)
            matching_pixels_rel = G / T, G and T: sums over the clip, of the predicted and of the true video, of the matches within
            max(1, 2 min(H, W) / 480) px of their true epipolar line (``epipolar.epipolar_distance``); without known cameras, those of
            matching_pixels; undefined if T < 50
            matching_pixels_dyn = mean over pairs of views and frames of the matches of G whose two ends both move: flow > 6 min(H, W) / 256 px
            (``optical_flow``)
            matching_pixels_paper = matching_pixels of the full frame over every frame, frame 0 included
Ranking:    matching_pixels only without a true video, matching_pixels_paper never; the others by |log clip(ratio, 1/20, 20)|, the ratio being that of
            the clip's sums.
Regions:    full frame; fg: both ends of a match inside the mask, and pixels outside grey.
Matchers:   those of ``backbones.matchers``, e.g. sift-mnn; counts of different matchers must not be compared.
Card:       cards/video_across_views.toml
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.metrics.backbones.features import Matcher
from hoibench.metrics.backbones.matchers import load_matcher
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Measurement, NotApplicable, Undefined
from hoibench.metrics.optical_flow import Dis, check_flow_size, frame_flows, motion_threshold, sampling_step
from hoibench.metrics.regions import frame_pair, region_masks
from hoibench.metrics.view_matches import (
    PairMatches,
    is_on_mask,
    match_case,
    match_views,
    true_total,
)

LEAST_TRUTH = 50
"""Least number of matches of the true video over a clip, for a ratio to it."""


def line_tolerance(size: tuple[int, int]) -> float:
    """Return the largest distance, in pixels, of a counted match from its true epipolar line, for images of (H, W): max(1, 2 min(H, W) / 480)."""
    return max(1.0, 2.0 * min(size) / 480.0)


def matching_pixels(
    video: Array,
    matcher: Matcher,
    masks: Array | None = None,
    cameras: Sequence[Camera] | None = None,
    frames: range | None = None,
) -> float:
    """Return the mean number of point matches that agree with the epipolar geometry, over all pairs of views and some frames.

    Args:
        video: (V, N, H, W, 3) uint8, V at least 2.
        matcher: finds and matches points, e.g. ``Sift()``.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        cameras: the V cameras, to count the matches near their true epipolar lines, as matching_pixels_rel does; by default, those that agree with
            one estimated fundamental matrix are counted.
        frames: indices of the matched frames; by default every 4th from the 4th on, without frame 0.

    Raises:
        NotApplicable: there is one view only.
        Undefined: the video is too short for the default frames.
        ValueError: as ``match_views``.

    >>> from hoibench.metrics.backbones.sift import Sift
    >>> noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> image = noise.repeat(8, axis=0).repeat(8, axis=1)
    >>> video = np.stack([image, np.roll(image, 9, axis=1)])[:, None]  # two views, one frame
    >>> matching_pixels(video, Sift(), frames=range(1)) > 100, matching_pixels(np.zeros_like(video), Sift(), frames=range(1))
    (True, 0.0)
    """
    pairs = match_views(video, matcher, masks, frames)
    return _mean([[int(marks.sum()) for marks in mark_counted(pair, cameras)] for pair in pairs])


def measure_counts(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels/{matcher}@2 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    loaded = load_matcher(matcher, case)
    for region, masks in region_masks(case):
        yield from _inlier_rows(case, loaded, region, masks)


def measure_paper(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_paper/{matcher}@1 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    return _inlier_rows(case, load_matcher(matcher, case), "full", None, range(case.video.shape[1]))


def _inlier_rows(
    case: Case, matcher: Matcher, region: str, masks: Array | None, frames: range | None = None
) -> Iterator[Measurement]:
    height, width = case.video.shape[2:4]
    magsac = matcher.magsac
    details = {"magsac_px": magsac.pixels((height, width)), "magsac_confidence": magsac.confidence}
    pairs = match_case(case, matcher, region, masks, frames)
    for row in _count_rows(case, matcher, region, pairs, [pair.counts for pair in pairs], details):
        raw = row.details["raw"]
        yield replace(row, details={**row.details, "inlier_ratio": row.value / raw if raw else None})


def measure_ratio(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_rel/{matcher}@2 (of the truth's; a ratio to the truth near 1 is better; 0 or more): the clip's."""
    loaded = load_matcher(matcher, case)
    masks = dict(region_masks(case)).get("fg")
    true = true_total(case, loaded, "fg", "matches", lambda pair, *_: _counts(case, pair))
    if masks is None or true is None:
        raise NotApplicable(MISSING_INPUT["truth.video" if case.clip.video is None else "truth.masks"])
    pairs = match_case(case, loaded, "fg", masks)
    generated = sum(sum(_counts(case, pair)) for pair in pairs)
    columns: dict[str, Any] = {
        "region": "fg",
        "weights": loaded.weights,
        "details": {**_matched(loaded, pairs), **_counted_by(case), **_ratio(generated, true)},
    }
    if true < LEAST_TRUTH:
        reason = f"the true video has {true} matches; a ratio needs at least {LEAST_TRUTH}"
        yield Measurement(None, "undefined", reason, **columns)
    else:
        yield Measurement(generated / true, **columns)


def measure_moving(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_dyn/{matcher}@2 (matches; a ratio to the truth near 1 is better; 0 or more): pairs, then clip."""
    loaded = load_matcher(matcher, case)
    size = case.video.shape[2:4]
    check_flow_size((size[0], size[1]))
    details = {
        **_counted_by(case),
        "flow": Dis().name,
        "step": sampling_step(case.clip.fps),
        "threshold_px": motion_threshold((size[0], size[1])),
    }
    for region, masks in region_masks(case):
        pairs = match_case(case, loaded, region, masks)
        counts = [_moving_counts(case, pair, case.video, masks) for pair in pairs]
        true = true_total(case, loaded, region, "moving matches", partial(_moving_counts, case))
        ratio = {} if true is None else _ratio(sum(map(sum, counts)), true)
        yield from _count_rows(case, loaded, region, pairs, counts, details, ratio)


def mark_counted(pair: PairMatches, cameras: Sequence[Camera] | None) -> tuple[Array, ...]:
    """Mark, by frame, the matches near their true epipolar line; without cameras, those that agree with one estimated fundamental matrix."""
    if cameras is None:
        return tuple(match.inlier for match in pair.matches)
    distances = pair.distances(cameras)
    return tuple(d <= line_tolerance(match.size) for d, match in zip(distances, pair.matches, strict=True))


def _counts(case: Case, pair: PairMatches) -> tuple[int, ...]:
    return tuple(int(marks.sum()) for marks in mark_counted(pair, case.clip.cameras))


def _moving_counts(case: Case, pair: PairMatches, video: Array, masks: Array | None) -> tuple[int, ...]:
    counts = []
    for n, match, counted in zip(pair.frames, pair.matches, mark_counted(pair, case.clip.cameras), strict=True):
        moving = [_moving_pixels(case, video[v], None if masks is None else masks[v], n) for v in pair.views]
        both = counted & is_on_mask(moving[0], match.a) & is_on_mask(moving[1], match.b)
        counts.append(int(both.sum()))
    return tuple(counts)


def _moving_pixels(case: Case, frames: Array, masks: Array | None, n: int) -> Array:
    """Return (H, W) bool, the moving pixels of frame ``n`` of a view, by the flow to the next sampled frame (at the end: to the previous)."""
    step = sampling_step(case.clip.fps)
    to = n + step if n + step < len(frames) else n - step
    if to < 0:
        raise Undefined(f"{len(frames)} frames at {case.clip.fps:g} fps are too few for optical flow")
    return frame_flows(Dis(), [frame_pair(frames, masks, n, to)], case.frame_memo)[0].moving


def _count_rows(
    case: Case,
    matcher: Matcher,
    region: str,
    pairs: Sequence[PairMatches],
    counts: Sequence[Sequence[int]],
    details: dict[str, Any],
    clip_details: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Measurement]:
    """Yield the mean of ``counts`` (matches by pair of views and frame) of each pair of views, then of the clip."""
    ids = [view.id for view in case.clip.views]
    for pair, count in zip(pairs, counts, strict=True):
        yield Measurement(
            _mean([count]),
            region=region,
            pair="|".join(ids[v] for v in pair.views),
            n_scored=len(count),
            n_expected=len(count),
            weights=matcher.weights,
            details={**_matched(matcher, [pair]), **details, "counts": list(count)},
        )
    number = sum(len(count) for count in counts)
    yield Measurement(
        _mean(counts),
        region=region,
        n_scored=number,
        n_expected=number,
        weights=matcher.weights,
        details={**_matched(matcher, pairs), **details, **clip_details},
    )


def _matched(matcher: Matcher, pairs: Sequence[PairMatches]) -> dict[str, Any]:
    """Return ``details``: the matched frames, the mean number of raw matches per frame, and the precision of a network."""
    frames = pairs[0].frames
    return {
        "first_frame": frames.start,
        "stride": frames.step,
        "raw": _mean([pair.raw for pair in pairs]),
        **({"precision": "fp32"} if matcher.weights else {}),
    }


def _counted_by(case: Case) -> dict[str, Any]:
    """Return ``details``: how matches are counted, and the tolerance in pixels."""
    if case.clip.cameras is None:
        return {"counted": "estimated fundamental matrix"}
    height, width = case.video.shape[2:4]
    return {"counted": "true epipolar lines", "tolerance_px": line_tolerance((height, width))}


def _ratio(generated: int, truth: int) -> dict[str, Any]:
    """Return ``details``: the sums over the clip and, if the true video has enough matches, their ratio."""
    sums = {"generated": generated, "truth": truth}
    return sums if truth < LEAST_TRUTH else {**sums, "ratio": generated / truth}


def _mean(counts: Sequence[Sequence[int]]) -> float:
    return float(np.mean([count for pair in counts for count in pair]))
