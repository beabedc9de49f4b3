"""matching_pixels: the number of points that are found in two views of the same moment.

Formula:    matching_pixels = mean over pairs of views and every 4th frame of the matches that pass the matcher and the epipolar check (``epipolar``)
            matching_pixels_rel = sum over the clip / the same sum of the true video, undefined if that has fewer than 50 matches
            matching_pixels_dyn = matching_pixels of the matches whose two ends both move: flow > 6 min(H, W) / 256 px (``optical_flow``)
Regions:    full frame; fg: both ends of a match inside the mask, and pixels outside grey.
Matchers:   sift-mnn (``backbones.sift``), aliked-mnn (``backbones.aliked``); counts of different matchers must not be compared.
Card:       cards/video_across_views.toml
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Matcher
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Failed, Measurement, NotApplicable, Unavailable, Undefined
from hoibench.metrics.optical_flow import FLOW, cached_frame_flow, check_flow_size, motion_threshold, sampling_step
from hoibench.metrics.regions import RegionFrame, region_masks
from hoibench.metrics.view_matches import STRIDE, PairMatches, is_on_mask, match_views
from hoibench.weights import WeightsMissing

LEAST_TRUTH = 50
"""Least number of matches of the true video over a clip, for a ratio to it."""


def matching_pixels(video: Array, matcher: Matcher, masks: Array | None = None, stride: int = STRIDE) -> float:
    """Return the mean number of point matches that pass the epipolar check, over all pairs of views and every ``stride``-th frame.

    Args:
        video: (V, N, H, W, 3) uint8, V at least 2.
        matcher: finds and matches points, e.g. ``Sift()``.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        stride: frames from one matched frame to the next.

    Raises:
        NotApplicable: there is one view only.
        ValueError: as ``match_views``.

    >>> noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> image = noise.repeat(8, axis=0).repeat(8, axis=1)
    >>> video = np.stack([image, np.roll(image, 9, axis=1)])[:, None]  # two views, one frame
    >>> matching_pixels(video, Sift()) > 100, matching_pixels(np.zeros_like(video), Sift())
    (True, 0.0)
    """
    return _mean([pair.counts for pair in match_views(video, matcher, masks, stride)])


def measure_sift(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels/sift-mnn@1 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    return measure_counts(case, Sift())


def measure_sift_rel(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_rel/sift-mnn@1 (of the truth's; higher is better; 0 or more): the clip's."""
    return measure_ratio(case, Sift())


def measure_sift_dyn(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_dyn/sift-mnn@1 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    return measure_moving(case, Sift())


def measure_aliked(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels/aliked-mnn@1 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    return measure_counts(case, _aliked(case))


def measure_aliked_rel(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_rel/aliked-mnn@1 (of the truth's; higher is better; 0 or more): the clip's."""
    return measure_ratio(case, _aliked(case))


def measure_aliked_dyn(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of matching_pixels_dyn/aliked-mnn@1 (matches; higher is better; 0 or more): one per pair of views, then the clip's."""
    return measure_moving(case, _aliked(case))


def _aliked(case: Case) -> Matcher:
    from hoibench.metrics.backbones.aliked import load_aliked  # imports torch, which SIFT does not need

    try:
        return load_aliked(case.device, case.weights)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error


def measure_counts(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Yield, for each region, the matching pixels (mean matches per frame) of each pair of views, then of the clip."""
    for region, masks in region_masks(case):
        pairs = match_views(case.video, matcher, masks, memo=case.case_memo)
        yield from _count_rows(case, matcher, region, pairs, [pair.counts for pair in pairs], {})


def measure_ratio(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Yield, for each region, the clip's number of matches divided by that of the true video."""
    truth = case.clip.video
    if truth is None:
        raise NotApplicable(MISSING_INPUT["truth.video"])
    if truth.shape != case.video.shape:
        raise Failed(f"the video has shape {case.video.shape}, the true video {truth.shape}: they cannot be compared")
    for region, masks in region_masks(case):
        truth_masks = None if masks is None else case.clip.masks
        if masks is not None and truth_masks is None:
            yield Measurement(None, "not_applicable", MISSING_INPUT["truth.masks"], region=region)
            continue
        generated = _total(match_views(case.video, matcher, masks, memo=case.case_memo))
        true = case.memoize_for_clip(
            ("matches of the truth", matcher.name, region),
            partial(_true_total, case, matcher, truth, truth_masks),
        )
        columns: dict[str, Any] = {
            "region": region,
            "weights": matcher.weights,
            "details": {"stride": STRIDE, "generated": generated, "truth": true},
        }
        if true < LEAST_TRUTH:
            yield Measurement(
                None, "undefined", f"the true video has {true} matches; a ratio needs at least {LEAST_TRUTH}", **columns
            )
        else:
            yield Measurement(generated / true, **columns)


def _true_total(case: Case, matcher: Matcher, truth: Array, masks: Array | None) -> int:
    return _total(match_views(truth, matcher, masks, memo=case.case_memo))


def measure_moving(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Yield, for each region, the mean number of matches per frame whose points move in both views: each pair of views, then the clip."""
    height, width = case.video.shape[2:4]
    check_flow_size((height, width))
    details = {"flow": FLOW, "step": sampling_step(case.clip.fps), "threshold_px": motion_threshold((height, width))}
    for region, masks in region_masks(case):
        pairs = match_views(case.video, matcher, masks, memo=case.case_memo)
        counts = [_moving_counts(case, masks, pair) for pair in pairs]
        yield from _count_rows(case, matcher, region, pairs, counts, details)


def _moving_counts(case: Case, masks: Array | None, pair: PairMatches) -> tuple[int, ...]:
    counts = []
    for n, match in zip(pair.frames, pair.matches, strict=True):
        moving = [_moving_pixels(case, masks, v, n) for v in pair.views]
        both = match.inlier & is_on_mask(moving[0], match.a) & is_on_mask(moving[1], match.b)
        counts.append(int(both.sum()))
    return tuple(counts)


def _moving_pixels(case: Case, masks: Array | None, v: int, n: int) -> Array:
    """Return (H, W) bool, the moving pixels of frame ``n`` of view ``v``, by the flow to the next sampled frame (at the end: to the previous)."""
    step = sampling_step(case.clip.fps)
    to = n + step if n + step < case.video.shape[1] else n - step
    if to < 0:
        raise Undefined(f"{case.video.shape[1]} frames at {case.clip.fps:g} fps are too few for optical flow")
    frame, other = (RegionFrame.from_image(case.video[v, i], None if masks is None else masks[v, i]) for i in (n, to))
    return cached_frame_flow(case, frame, other).moving


def _count_rows(
    case: Case,
    matcher: Matcher,
    region: str,
    pairs: Sequence[PairMatches],
    counts: Sequence[Sequence[int]],
    details: dict[str, Any],
) -> Iterator[Measurement]:
    """Yield the mean of ``counts`` (matches by pair of views and frame) of each pair of views, then of the clip."""
    ids = [view.id for view in case.clip.views]
    details = {"stride": STRIDE, **details}
    for pair, count in zip(pairs, counts, strict=True):
        yield Measurement(
            _mean([count]),
            region=region,
            pair="|".join(ids[v] for v in pair.views),
            n_scored=len(count),
            n_expected=len(count),
            weights=matcher.weights,
            details={**details, **_raw([pair]), "frames": list(pair.frames), "counts": list(count)},
        )
    number = sum(len(count) for count in counts)
    yield Measurement(
        _mean(counts),
        region=region,
        n_scored=number,
        n_expected=number,
        weights=matcher.weights,
        details={**details, **_raw(pairs)},
    )


def _raw(pairs: Sequence[PairMatches]) -> dict[str, float | None]:
    """Return ``details``: the mean number of matches per frame before the epipolar check, and the share that passes it (None without matches)."""
    raw = sum(sum(pair.raw) for pair in pairs)
    return {"raw": _mean([pair.raw for pair in pairs]), "inlier_ratio": _total(pairs) / raw if raw else None}


def _total(pairs: Sequence[PairMatches]) -> int:
    return sum(sum(pair.counts) for pair in pairs)


def _mean(counts: Sequence[Sequence[int]]) -> float:
    return float(np.mean([count for pair in counts for count in pair]))
