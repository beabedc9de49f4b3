"""Matches of image points between the views of a video, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, cycle
from typing import Any, TypeVar

import numpy as np

from hoibench.clip import Array, Camera, check_mask, check_pixels
from hoibench.metrics.backbones.features import Features, Matcher
from hoibench.metrics.case import Case
from hoibench.metrics.epipolar import Magsac, epipolar_distance, fundamental_matrix, magsac_inliers
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.metrics.regions import RegionFrame

STRIDE = 4

T = TypeVar("T")
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
    batch: int = 8,
) -> tuple[PairMatches, ...]:
    """Return the matches of every pair of views on some frames.

    The video is read once, a few frames at a time: each image is described once, and its features are dropped when the pairs of views of its frame
    are matched, so that the memory beyond video and matches does not grow with the video's length.

    Args:
        video: (V, N, H, W, 3) uint8.
        matcher: finds and matches points.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        frames: indices of the matched frames; by default those of ``matched_frames``.
        memo: stores matches by the frames' contents, so that equal pairs of frames are matched once.
        batch: largest number of images, and of pairs of images, that the matcher is given in one call.

    Returns:
        The matches of views (0, 1), (0, 2), ..., (V - 2, V - 1).

    Raises:
        NotApplicable: there is one view only.
        Undefined: the video is too short for ``matched_frames``.
        ValueError: ``video`` or ``masks`` has another shape or dtype, or there are no frames to match.
    """
    check_pixels("video", video, ("V", "N", "H", "W", 3))
    if masks is not None:
        check_mask("masks", masks, video.shape[:4])
    if len(video) < 2:
        raise NotApplicable("the clip has only one view, so there is no pair of views to match")
    memo = {} if memo is None else memo
    frames = matched_frames(video.shape[1]) if frames is None else frames
    if not frames:
        raise ValueError("frames is empty, expected at least one frame to match")
    views = tuple(combinations(range(len(video)), 2))
    found: list[list[Matches]] = [[] for _ in views]
    features: dict[bytes, Features] = {}
    for some_frames in _chunks(frames, max(1, batch // len(video))):
        painted = [
            [RegionFrame.from_image(video[v, n], None if masks is None else masks[v, n]) for v in range(len(video))]
            for n in some_frames
        ]
        pairs = [(images[i], images[j]) for images in painted for i, j in views]
        features = _match_pairs(matcher, pairs, memo, features, batch)
        for (a, b), matches in zip(pairs, cycle(found)):
            matches.append(memo[_key(matcher, a, b)])
    return tuple(PairMatches(pair, frames, tuple(matches)) for pair, matches in zip(views, found, strict=True))


def match_case(
    case: Case, matcher: Matcher, region: str, masks: Array | None, frames: range | None = None
) -> tuple[PairMatches, ...]:
    """Return ``match_views`` of the prediction in a region with these masks, computed once per case for all metrics."""
    return case.memoize(
        ("view matches", matcher.name, region, frames),
        lambda: match_views(case.video, matcher, masks, frames, case.frame_memo, case.batch),
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
            lambda: match_views(video, matcher, masks, memo=case.true_frame_memo, batch=case.batch),
        )
        return sum(sum(count(pair, video, masks)) for pair in pairs)

    return case.memoize_for_clip(("true total", name, matcher.name, region), total)


def _match_pairs(
    matcher: Matcher,
    pairs: Sequence[tuple[RegionFrame, RegionFrame]],
    memo: Memo,
    known: Mapping[bytes, Features],
    batch: int,
) -> dict[bytes, Features]:
    """Store in ``memo`` the matches of pairs of frames that it lacks.

    ``known`` are features that earlier pairs needed; those that these pairs needed are returned, by the frames' digests.
    """
    new = list({_key(matcher, a, b): (a, b) for a, b in pairs if _key(matcher, a, b) not in memo}.values())
    if not new:
        return dict(known)
    images = {frame.digest: frame.image for pair in new for frame in pair}
    features = {digest: known[digest] for digest in images if digest in known}
    for digests in _chunks([digest for digest in images if digest not in known], batch):
        described = matcher.describe([images[digest] for digest in digests])
        features.update(zip(digests, described, strict=True))
    for some in _chunks(new, batch):
        matched = matcher.match([(features[a.digest], features[b.digest]) for a, b in some])
        for (a, b), indices in zip(some, matched, strict=True):
            points_a, points_b = features[a.digest].points[indices[:, 0]], features[b.digest].points[indices[:, 1]]
            inside = is_on_mask(a.mask, points_a) & is_on_mask(b.mask, points_b)
            memo[_key(matcher, a, b)] = Matches(points_a[inside], points_b[inside], a.size, matcher.magsac)
    return features


def _key(matcher: Matcher, a: RegionFrame, b: RegionFrame) -> Hashable:
    return "matches", matcher.name, a.digest, b.digest


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_on_mask(mask: Array | None, points: Array) -> Array:
    """Return (m,) bool, true if the pixel nearest to each of (m, 2) points (x, y) is set in an (H, W) bool mask; all true without a mask."""
    if mask is None:
        return np.ones(len(points), dtype=bool)
    x, y = np.floor(points + 0.5).astype(np.int64).T
    on: Array = mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)]
    return on
