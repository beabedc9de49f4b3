"""Matches of image points between the views of a video, frame by frame."""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hoibench.clip import Array, check_mask, check_shape
from hoibench.metrics.backbones.features import Features, Matcher
from hoibench.metrics.epipolar import epipolar_inliers, epipolar_threshold
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.regions import RegionFrame

STRIDE = 4

Memo = MutableMapping[Hashable, Any]


@dataclass(frozen=True, eq=False)
class Matches:
    """Matched points of two frames.

    Attributes:
        a: (m, 2) float32 pixels of the matched points in the first frame.
        b: (m, 2) float32 pixels of the same points in the second frame.
        inlier: (m,) bool, true for matches that pass the epipolar check.
    """

    a: Array
    b: Array
    inlier: Array


@dataclass(frozen=True, eq=False)
class PairMatches:
    """Matches of two views over a clip.

    Attributes:
        views: indices of the two views.
        frames: indices of the matched frames.
        matches: matches of each of these frames.
    """

    views: tuple[int, int]
    frames: tuple[int, ...]
    matches: tuple[Matches, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of matches of each frame that pass the epipolar check."""
        return tuple(int(match.inlier.sum()) for match in self.matches)

    @property
    def raw(self) -> tuple[int, ...]:
        """Number of matches of each frame before the epipolar check."""
        return tuple(len(match.inlier) for match in self.matches)


def match_views(
    video: Array, matcher: Matcher, masks: Array | None = None, stride: int = STRIDE, memo: Memo | None = None
) -> tuple[PairMatches, ...]:
    """Return the matches of every pair of views on every ``stride``-th frame, pair by pair.

    Args:
        video: (V, N, H, W, 3) uint8.
        matcher: finds and matches points.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        stride: frames from one matched frame to the next.
        memo: stores features and matches of frames by content, for reuse by later calls.

    Raises:
        NotApplicable: there is one view only.
        ValueError: ``video`` or ``masks`` has another shape, ``video`` has no frames, or ``masks`` is not bool.
    """
    check_shape("video", video, ("V", "N", "H", "W", 3))
    if not video.shape[1]:
        raise ValueError(f"video has shape {video.shape}, expected at least one frame")
    if masks is not None:
        check_mask("masks", masks, video.shape[:4])
    if len(video) < 2:
        raise NotApplicable("the clip has only one view, so there is no pair of views to match")
    memo = {} if memo is None else memo
    indices = tuple(range(0, video.shape[1], stride))
    frames = [
        [RegionFrame.from_image(video[v, n], None if masks is None else masks[v, n]) for n in indices]
        for v in range(len(video))
    ]
    return tuple(
        PairMatches(
            (i, j),
            indices,
            tuple(match_frames(matcher, a, b, memo) for a, b in zip(frames[i], frames[j], strict=True)),
        )
        for i, j in combinations(range(len(video)), 2)
    )


def match_frames(matcher: Matcher, a: RegionFrame, b: RegionFrame, memo: Memo) -> Matches:
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
    points_a, points_b = points_a[inside], points_b[inside]
    return Matches(points_a, points_b, epipolar_inliers(points_a, points_b, epipolar_threshold(a.size)))


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
