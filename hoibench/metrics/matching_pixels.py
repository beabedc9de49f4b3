"""Matching pixels: how many points two views of one moment share (PROTOCOL, "Video, across views")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Matcher
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NO_TRUE_VIDEO, Failed, Measurement, NotApplicable, Unavailable, Undefined
from hoibench.metrics.optical_flow import FLOW, cached_frame_flow, check_flow_size, motion_threshold, sampling_step
from hoibench.metrics.regions import region_frame, regions
from hoibench.metrics.view_matches import STRIDE, PairMatches, is_on_mask, match_views
from hoibench.weights import WeightsMissing

LEAST_TRUTH = 50
"""Matches that the truth must have over a clip for a ratio to it to mean anything."""


def matching_pixels(video: Array, matcher: Matcher, masks: Array | None = None, stride: int = STRIDE) -> float:
    """The mean number of matching pixels over the view pairs and every ``stride``-th frame of a (V, N, H, W, 3) uint8 video.

    Raises:
        NotApplicable: there is one view only.
    """
    return _mean([pair.counts for pair in match_views(video, matcher, masks, stride)])


def measure_sift(case: Case) -> Iterator[Measurement]:
    """matching_pixels/sift-mnn."""
    return measure_counts(case, Sift())


def measure_sift_rel(case: Case) -> Iterator[Measurement]:
    """matching_pixels_rel/sift-mnn."""
    return measure_ratio(case, Sift())


def measure_sift_dyn(case: Case) -> Iterator[Measurement]:
    """matching_pixels_dyn/sift-mnn."""
    return measure_moving(case, Sift())


def measure_aliked(case: Case) -> Iterator[Measurement]:
    """matching_pixels/aliked-mnn."""
    return measure_counts(case, _aliked(case))


def measure_aliked_rel(case: Case) -> Iterator[Measurement]:
    """matching_pixels_rel/aliked-mnn."""
    return measure_ratio(case, _aliked(case))


def measure_aliked_dyn(case: Case) -> Iterator[Measurement]:
    """matching_pixels_dyn/aliked-mnn."""
    return measure_moving(case, _aliked(case))


def _aliked(case: Case) -> Matcher:
    from hoibench.metrics.backbones.aliked import load_aliked  # torch, which SIFT does without

    try:
        return load_aliked(case.device, case.weights)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error


def measure_counts(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Matching pixels of each pair of views, and their mean."""
    for region, masks in regions(case):
        pairs = match_views(case.video, matcher, masks, memo=case.sample_memo)
        yield from _count_rows(case, matcher, region, pairs, [pair.counts for pair in pairs], {})


def measure_ratio(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Matching pixels summed over the clip, divided by those of the truth."""
    truth = case.clip.video
    if truth is None:
        raise NotApplicable(NO_TRUE_VIDEO)
    if truth.shape != case.video.shape:
        raise Failed(f"the video has shape {case.video.shape}, the truth {truth.shape}: there is no ratio of the two")
    for region, masks in regions(case):
        truth_masks = None if masks is None else case.clip.masks
        if masks is not None and truth_masks is None:
            yield Measurement(None, "not_applicable", "the truth has no masks", region=region)
            continue
        generated = _total(match_views(case.video, matcher, masks, memo=case.sample_memo))
        true = case.memoize_for_clip(
            ("matches of the truth", matcher.name, region),
            partial(_true_total, case, matcher, truth, truth_masks),
        )
        facts: dict[str, Any] = {
            "region": region,
            "weights": matcher.weights,
            "details": {"stride": STRIDE, "generated": generated, "truth": true},
        }
        if true < LEAST_TRUTH:
            yield Measurement(None, "undefined", f"the truth has {true} matches, fewer than {LEAST_TRUTH}", **facts)
        else:
            yield Measurement(generated / true, **facts)


def _true_total(case: Case, matcher: Matcher, truth: Array, masks: Array | None) -> int:
    return _total(match_views(truth, matcher, masks, memo=case.sample_memo))


def measure_moving(case: Case, matcher: Matcher) -> Iterator[Measurement]:
    """Matching pixels both of whose ends move."""
    height, width = case.video.shape[2:4]
    check_flow_size((height, width))
    details = {"flow": FLOW, "step": sampling_step(case.clip.fps), "threshold_px": motion_threshold((height, width))}
    for region, masks in regions(case):
        pairs = match_views(case.video, matcher, masks, memo=case.sample_memo)
        counts = [_moving_counts(case, masks, pair) for pair in pairs]
        yield from _count_rows(case, matcher, region, pairs, counts, details)


def _moving_counts(case: Case, masks: Array | None, pair: PairMatches) -> tuple[int, ...]:
    counts = []
    for n, match in zip(pair.frames, pair.matches, strict=True):
        moves = [_moving(case, masks, v, n) for v in pair.views]
        both = match.inlier & is_on_mask(moves[0], match.a) & is_on_mask(moves[1], match.b)
        counts.append(int(both.sum()))
    return tuple(counts)


def _moving(case: Case, masks: Array | None, v: int, n: int) -> Array:
    """Where frame ``n`` of view ``v`` moves, (H, W) bool: by the flow to the next sampled frame, or, at the end, to the one before."""
    step = sampling_step(case.clip.fps)
    to = n + step if n + step < case.video.shape[1] else n - step
    if to < 0:
        raise Undefined(f"{case.video.shape[1]} frames at {case.clip.fps:g} fps have no pair to take flow from")
    frame, other = (region_frame(case.video[v, i], None if masks is None else masks[v, i]) for i in (n, to))
    return cached_frame_flow(case, frame, other).moving


def _count_rows(
    case: Case,
    matcher: Matcher,
    region: str,
    pairs: Sequence[PairMatches],
    counts: Sequence[Sequence[int]],
    details: dict[str, Any],
) -> Iterator[Measurement]:
    """A row a pair of views, then the clip's."""
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
    """Mean matches a frame before the epipolar check, and the share of them that it keeps (None where there are none)."""
    raw = sum(sum(pair.raw) for pair in pairs)
    return {"raw": _mean([pair.raw for pair in pairs]), "inlier_ratio": _total(pairs) / raw if raw else None}


def _total(pairs: Sequence[PairMatches]) -> int:
    return sum(sum(pair.counts) for pair in pairs)


def _mean(counts: Sequence[Sequence[int]]) -> float:
    return float(np.mean([count for pair in counts for count in pair]))
