"""epipolar_error: the distance of raw point matches between two views from the epipolar lines of the known cameras; beyond the paper.

Formula:    epipolar_error = median of d over all pairs of views, every 4th frame without frame 0, and the matcher's matches, pixels
            epipolar_share = share of these matches with d <= 2 px
            d = mean of the distances of a match's two points from their epipolar lines (``epipolar.epipolar_distance``), at most 10 % of the diagonal
Few:        undefined under 30 matches in the clip
Regions:    full frame; fg: both ends of a match inside the mask, and pixels outside grey.
Matchers:   those of ``backbones.matchers``, e.g. sift-mnn.
Card:       cards/video_across_views.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.metrics.backbones.features import Matcher
from hoibench.metrics.backbones.matchers import load_matcher
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Measurement, NotApplicable
from hoibench.metrics.regions import region_masks
from hoibench.metrics.view_matches import PairMatches, match_case, match_views

LEAST_MATCHES = 30
"""Least number of matches over a clip, for a median of their distances."""
SHARE_PIXELS = 2.0
DETAIL_PIXELS = (1.0, 2.0, 4.0)
CAP = 0.1
"""Largest distance of a match, as a share of the image's diagonal."""


def epipolar_error(
    video: Array,
    cameras: Sequence[Camera],
    matcher: Matcher,
    masks: Array | None = None,
    frames: range | None = None,
) -> float | None:
    """Return the median distance, in pixels, of point matches between views from their true epipolar lines; None under 30 matches.

    Args:
        video: (V, N, H, W, 3) uint8, V at least 2.
        cameras: the V cameras.
        matcher: finds and matches points, e.g. ``Sift()``.
        masks: (V, N, H, W) bool: both ends of a match must be inside; pixels outside are painted grey.
        frames: indices of the matched frames; by default every 4th from the 4th on, without frame 0.

    Raises:
        NotApplicable: there is one view only.
        Undefined: the video is too short for the default frames.
        ValueError: as ``match_views``, or two cameras are at the same place.

    >>> from hoibench.metrics.backbones.sift import Sift
    >>> K = np.array([[300.0, 0, 63.5], [0, 300, 63.5], [0, 0, 1]])
    >>> cameras = [Camera(K, np.eye(3), np.array([-x, 0.0, 0.0]), (128, 128)) for x in (0.0, 0.1)]  # epipolar lines are rows
    >>> noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> image = noise.repeat(8, axis=0).repeat(8, axis=1)
    >>> along, across = (np.stack([image, np.roll(image, 9, axis=axis)])[:, None] for axis in (1, 0))
    >>> [round(epipolar_error(video, cameras, Sift(), frames=range(1))) for video in (along, across)]
    [0, 9]
    """
    pairs = match_views(video, matcher, masks, frames)
    distances = _capped(pairs, cameras, largest_error((video.shape[2], video.shape[3])))
    return float(np.median(distances)) if len(distances) >= LEAST_MATCHES else None


def measure_error(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of epipolar_error/{matcher}@1 (px; lower is better; 0 or more): one per pair of views, then the clip's."""
    height, width = case.video.shape[2:4]
    for row in _measure(case, matcher, lambda distances: float(np.median(distances))):
        yield replace(row, cap=largest_error((height, width)))


def measure_share(case: Case, matcher: str) -> Iterator[Measurement]:
    """Yield the measurements of epipolar_share/{matcher}@1 (no unit; not ranked; 0 to 1): one per pair of views, then the clip's."""
    return _measure(case, matcher, _share)


def _measure(case: Case, name: str, summarise: Callable[[Array], float]) -> Iterator[Measurement]:
    cameras = case.clip.cameras
    if cameras is None:
        raise NotApplicable(MISSING_INPUT["cameras"])
    matcher = load_matcher(name, case)
    height, width = case.video.shape[2:4]
    cap = largest_error((height, width))
    ids = [view.id for view in case.clip.views]
    for region, masks in region_masks(case):
        pairs = match_case(case, matcher, region, masks)
        columns: dict[str, Any] = {"region": region, "weights": matcher.weights}
        distances = [_capped([pair], cameras, cap) for pair in pairs]
        for pair, found in zip(pairs, distances, strict=True):
            pair_id = "|".join(ids[v] for v in pair.views)
            details = _details(matcher, pair, found)
            if len(found):
                yield Measurement(summarise(found), pair=pair_id, details=details, **columns)
            else:
                reason = "the two views have no matches"
                yield Measurement(None, "undefined", reason, pair=pair_id, details=details, **columns)
        found = np.concatenate(distances)
        details = _details(matcher, pairs[0], found)
        if len(found) < LEAST_MATCHES:
            reason = f"the clip has {len(found)} matches; a median needs at least {LEAST_MATCHES}"
            yield Measurement(None, "undefined", reason, details=details, **columns)
        else:
            yield Measurement(summarise(found), details=details, **columns)


def largest_error(size: tuple[int, int]) -> float:
    """Return the largest distance that counts, in pixels, for images of (H, W): 10 % of the diagonal."""
    return CAP * float(np.hypot(*size))


def _share(distances: Array) -> float:
    return float(np.mean(distances <= SHARE_PIXELS))


def _details(matcher: Matcher, pair: PairMatches, distances: Array) -> dict[str, Any]:
    """Return ``details``: the matched frames, the number of matches, their shares within 1, 2 and 4 px, and the precision of a network."""
    details: dict[str, Any] = {
        "first_frame": pair.frames.start,
        "stride": pair.frames.step,
        "matches": len(distances),
        **({"precision": "fp32"} if matcher.weights else {}),
    }
    if len(distances):
        details |= {f"share_{pixels:g}px": float(np.mean(distances <= pixels)) for pixels in DETAIL_PIXELS}
    return details


def _capped(pairs: Sequence[PairMatches], cameras: Sequence[Camera], cap: float) -> Array:
    """Return the distances of all matches of some pairs of views, in pixels, each at most ``cap``."""
    capped: Array = np.minimum(np.concatenate([frame for pair in pairs for frame in pair.distances(cameras)]), cap)
    return capped
