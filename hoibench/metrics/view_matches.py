"""Matches of image points between the views of a video, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from hoibench.clip import Array, Camera, check_mask, check_shape
from hoibench.metrics.backbones.features import Features, Matcher
from hoibench.metrics.case import Case
from hoibench.metrics.epipolar import Magsac, epipolar_distance, fundamental_matrix, magsac_inliers
from hoibench.metrics.measurement import NotApplicable, Unavailable, Undefined
from hoibench.metrics.regions import RegionFrame
from hoibench.weights import WeightsMissing

STRIDE = 4

Memo = MutableMapping[Hashable, Any]
Count = Callable[["PairMatches", Array, Array | None], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Matches:
    """Matched points of two frames.

    Attributes:
        a: (m, 2) float32 pixels of the matched points in the first frame.
        b: (m, 2) float32 pixels of the same points in the second frame.
        size: (H, W) of the frames.
        magsac: the matcher's settings for ``inlier``.
    """

    a: Array
    b: Array
    size: tuple[int, int]
    magsac: Magsac

    @cached_property
    def inlier(self) -> Array:
        """(m,) bool, true for matches that agree with one fundamental matrix, see ``magsac_inliers``."""
        return magsac_inliers(self.a, self.b, self.size, self.magsac)


@dataclass(frozen=True, eq=False)
class PairMatches:
    """Matches of two views over a clip.

    Attributes:
        views: indices of the two views.
        frames: indices of the matched frames.
        matches: matches of each of these frames.
    """

    views: tuple[int, int]
    frames: range
    matches: tuple[Matches, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of matches of each frame that agree with one fundamental matrix."""
        return tuple(int(match.inlier.sum()) for match in self.matches)

    @property
    def raw(self) -> tuple[int, ...]:
        """Number of matches of each frame."""
        return tuple(len(match.a) for match in self.matches)

    def distances(self, cameras: Sequence[Camera]) -> tuple[Array, ...]:
        """Return the symmetric epipolar distance of each match, in pixels, by frame; ``cameras`` are those of all views."""
        i, j = self.views
        moving = cameras[i].is_moving or cameras[j].is_moving
        F = {n: fundamental_matrix(cameras[i], cameras[j], n) for n in (self.frames if moving else self.frames[:1])}
        return tuple(
            epipolar_distance(match.a, match.b, F[n if moving else self.frames[0]])
            for n, match in zip(self.frames, self.matches, strict=True)
        )


def matched_frames(number: int) -> range:
    """Return the indices of the frames to match in a video with ``number`` frames: every 4th from the 4th on.

    Frame 0 is given to image-to-video methods, so it says nothing about them.

    Raises:
        Undefined: the video has fewer than 5 frames.

    >>> list(matched_frames(13))
    [4, 8, 12]
    """
    if number <= STRIDE:
        raise Undefined(f"the clip has {number} frames; every {STRIDE}th frame after the first is matched")
    return range(STRIDE, number, STRIDE)


def match_views(
    video: Array,
    matcher: Matcher,
    masks: Array | None = None,
    frames: range | None = None,
    memo: Memo | None = None,
) -> tuple[PairMatches, ...]:
    """Return the matches of every pair of views on some frames, pair by pair.

    Args:
        video: (V, N, H, W, 3) uint8.
        matcher: finds and matches points.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        frames: indices of the matched frames; by default those of ``matched_frames``.
        memo: stores features and matches by the frames' contents, so that equal frames are computed once.

    Raises:
        NotApplicable: there is one view only.
        Undefined: the video is too short for ``matched_frames``.
        ValueError: ``video`` or ``masks`` has another shape, ``video`` has no frames, or ``masks`` is not bool.
    """
    check_shape("video", video, ("V", "N", "H", "W", 3))
    if not video.shape[1]:
        raise ValueError("video has 0 frames, expected at least one frame")
    if masks is not None:
        check_mask("masks", masks, video.shape[:4])
    if len(video) < 2:
        raise NotApplicable("the clip has only one view, so there is no pair of views to match")
    memo = {} if memo is None else memo
    frames = matched_frames(video.shape[1]) if frames is None else frames
    painted = [
        [RegionFrame.from_image(video[v, n], None if masks is None else masks[v, n]) for n in frames]
        for v in range(len(video))
    ]
    return tuple(
        PairMatches(
            (i, j),
            frames,
            tuple(_match_frames(matcher, a, b, memo) for a, b in zip(painted[i], painted[j], strict=True)),
        )
        for i, j in combinations(range(len(video)), 2)
    )


def match_case(
    case: Case, matcher: Matcher, region: str, masks: Array | None, frames: range | None = None
) -> tuple[PairMatches, ...]:
    """Return ``match_views`` of the prediction in a region with these masks, computed once per case for all metrics."""
    return case.memoize(
        ("view matches", matcher.name, region, frames),
        lambda: match_views(case.video, matcher, masks, frames, case.case_memo),
    )


def true_total(case: Case, matcher: Matcher, region: str, name: str, count: Count) -> int | None:
    """Return the sum of a count of matches over the pairs of views and frames of the true video, computed once per clip.

    Args:
        case: a case of the clip.
        matcher: finds and matches points.
        region: ``full`` or ``fg``.
        name: the count's name, its key in the clip's memo.
        count: returns the count of each frame, given the matches of a pair of views, the true video and its masks.

    Returns:
        The sum; None without a true video, or in ``fg`` without true masks.
    """
    video, masks = case.clip.video, case.clip.masks if region == "fg" else None
    if video is None or (region == "fg" and masks is None):
        return None

    def total() -> int:
        pairs = case.memoize(
            ("view matches of the truth", matcher.name, region),
            lambda: match_views(video, matcher, masks, memo=case.case_memo),
        )
        return sum(sum(count(pair, video, masks)) for pair in pairs)

    return case.memoize_for_clip(("true total", name, matcher.name, region), total)


def load_case_aliked(case: Case) -> Matcher:
    """Load the ALIKED matcher with the case's device and weights.

    Raises:
        Unavailable: its weights are missing.
    """
    from hoibench.metrics.backbones.aliked import load_aliked  # imports torch, which SIFT does not need

    try:
        return load_aliked(case.device, case.weights)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error


def _match_frames(matcher: Matcher, a: RegionFrame, b: RegionFrame, memo: Memo) -> Matches:
    """Return the matches of two frames, from ``memo`` if they are stored there."""
    key = ("matches", matcher.name, a.digest, b.digest)
    if key not in memo:
        memo[key] = _match(matcher, a, b, _describe(matcher, a, memo), _describe(matcher, b, memo))
    matches: Matches = memo[key]
    return matches


def _match(matcher: Matcher, a: RegionFrame, b: RegionFrame, features_a: Features, features_b: Features) -> Matches:
    pairs = matcher.match(features_a, features_b)
    points_a, points_b = features_a.points[pairs[:, 0]], features_b.points[pairs[:, 1]]
    inside = is_on_mask(a.mask, points_a) & is_on_mask(b.mask, points_b)
    return Matches(points_a[inside], points_b[inside], a.size, matcher.magsac)


def _describe(matcher: Matcher, frame: RegionFrame, memo: Memo) -> Features:
    key = ("features", matcher.name, frame.digest)
    if key not in memo:
        memo[key] = matcher.describe(frame.image)
    features: Features = memo[key]
    return features


def is_on_mask(mask: Array | None, points: Array) -> Array:
    """Return (m,) bool, true if the pixel nearest to each of (m, 2) points (x, y) is set in an (H, W) bool mask; all true without a mask."""
    if mask is None:
        return np.ones(len(points), dtype=bool)
    x, y = np.floor(points + 0.5).astype(np.int64).T
    on: Array = mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)]
    return on
