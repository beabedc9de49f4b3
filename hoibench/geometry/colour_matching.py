"""Match the pixels of a motion pseudo-video to the points drawn in it, by their colours.

A point's colour encodes its anchor, which is its pixel in frame 0.

A pixel is *foreground* if its colour is nearer to the box of possible colours (from the anchors' minimum red and green, and ``darkest`` blue, to
white) than to black.  With ``darkest`` 0.1 the box is at least 0.17 from black.  With 0 the box may contain black: then every pixel that is not black
is foreground, and points drawn in black are lost.

A foreground pixel matches the anchor with the nearest colour, measured in pixels of frame 0; ties go to the lowest index.  It matches none if that
distance exceeds ``match_within`` times the spacing of the anchors, which is the median distance from an anchor to its nearest neighbour.  Anchors
with equal colours count as one anchor, the one with the lowest index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hoibench.geometry.arrays import detach, flatnonzero, namespace, to_numpy
from hoibench.geometry.motion_colours import anchor_colours, has_colour, pixels_from_colours

MAX_DISTANCES = 1 << 24
"""Maximum number of point-to-point distances in memory at once."""


def match_pixels(video: Any, anchors: Any, *, darkest: float, match_within: float) -> tuple[Any, Any, Any, Any]:
    """Return the pixels of a pseudo-video that match an anchor by colour, frame by frame in reading order.

    Args:
        video: (N, H, W, 3) float32, finite.
        anchors: (K, 2) pixels in frame 0; anchors outside the image match nothing.
        darkest: the value that the video was rendered with.
        match_within: maximum distance of a match, in spacings of the anchors; a single anchor has no spacing and matches every foreground pixel.

    Returns:
        Frame, row, column and anchor index of P pixels, each (P,) int64.
    """
    xp, video, anchors = namespace(video), detach(video), detach(anchors)
    size = (video.shape[1], video.shape[2])
    coloured = flatnonzero(has_colour(anchors, size))
    if not len(coloured) or not len(video):
        nothing = xp.zeros(0, dtype=xp.int64, device=video.device)
        return nothing, nothing, nothing, nothing
    colours = anchor_colours(anchors[coloured], size, darkest)
    least = (float(colours[:, 0].min()), float(colours[:, 1].min()), darkest)
    places = pixels_from_colours(colours, size, darkest)
    distinct = flatnonzero(nearest_by_search(places, places) == xp.arange(len(places), device=places.device))
    places, owner = places[distinct], coloured[distinct]
    nearest = _search_within(places, match_within * _spacing(places))
    found = []
    for n, frame in enumerate(video):
        pixel = _foreground(frame, least)
        row, column = pixel // size[1], pixel % size[1]
        place = nearest(pixels_from_colours(frame[row, column, :2], size, darkest))
        near = place >= 0
        found.append((xp.full_like(row[near], n), row[near], column[near], owner[place[near]]))
    frames, rows, columns, owners = (xp.concat(parts) for parts in zip(*found, strict=True))
    return frames, rows, columns, owners


def _foreground(frame: Any, least: tuple[float, float, float]) -> Any:
    """Return the indices (P,) in the flattened frame of its foreground pixels p: |p|^2 > |max(least - p, 0)|^2.

    ``least`` (red, green, blue) is the lowest corner of the box of possible colours.
    """
    margin = 0.0
    for channel, low in enumerate(least):
        value = frame[..., channel]
        below = (low - value).clip(0.0)
        margin = margin + (value * value - below * below)
    return flatnonzero(margin > 0.0)


def _spacing(places: Any) -> float:
    """Return the median distance of 2D ``places`` (A, 2) to their nearest neighbours; infinite for a single place."""
    if len(places) < 2:
        return np.inf
    xp = namespace(places)
    nearest = [
        xp.amin(xp.where(squares > 0.0, squares, xp.inf), axis=1) for squares in _distance_tables(places, places)
    ]
    return float(np.median(np.sqrt(to_numpy(xp.concat(nearest)))))


def _search_within(places: Any, reach: float) -> Callable[[Any], Any]:
    """Return a function from points (P, 2) to the index (P,) int64 of the nearest of ``places`` (A, 2), -1 if it is farther than ``reach``."""
    xp = namespace(places)
    nearest = (
        nearest_by_tree(places, reach) if str(places.device) == "cpu" else partial(nearest_by_search, places=places)
    )

    def search(points: Any) -> Any:
        index = nearest(points)
        return xp.where(_squared_distances(points, places[index]) <= reach**2, index, -1)

    return search


def nearest_by_tree(places: Any, reach: float) -> Callable[[Any], Any]:
    """Return a function from points (P, 2) to the index (P,) of the nearest of ``places`` (A, 2), by a k-d tree.

    The results equal those of ``nearest_by_search`` for points within ``reach`` of a place, and are arbitrary for others.
    """
    from scipy.spatial import cKDTree

    xp, tree = namespace(places), cKDTree(to_numpy(places))
    slack = 1.0 + 1e-9

    def nearest(points: Any) -> Any:
        found = tree.query(to_numpy(points), k=[1, 2], distance_upper_bound=reach * slack)
        distance, index = np.asarray(found[0]), np.asarray(found[1])
        # The tree breaks ties arbitrarily, and returns an index past the end if there is no neighbour.
        tied = np.isfinite(distance[:, 1]) & (distance[:, 1] <= distance[:, 0] * slack)
        index = xp.asarray(np.where(np.isfinite(distance[:, 0]), index[:, 0], 0))
        index[xp.asarray(tied)] = nearest_by_search(points[xp.asarray(tied)], places)
        return index

    return nearest


def nearest_by_search(points: Any, places: Any) -> Any:
    """Return the index (P,) int64 of the nearest of ``places`` (A, 2) for each of ``points`` (P, 2), by exhaustive search; the first on ties."""
    xp = namespace(points)
    rows = [table.argmin(axis=1) for table in _distance_tables(points, places)]
    return xp.concat(rows) if rows else xp.zeros(0, dtype=xp.int64, device=points.device)


def _distance_tables(points: Any, places: Any) -> Iterator[Any]:
    """Yield the table (P, A) of squared distances of points from places in chunks of rows, to limit memory."""
    step = max(1, MAX_DISTANCES // len(places))
    for start in range(0, len(points), step):
        yield _squared_distances(points[start : start + step, None], places)


def _squared_distances(a: Any, b: Any) -> Any:
    """Return the squared distances (...) between 2D points ``a`` and ``b``, both (..., 2)."""
    offset = a - b
    return offset[..., 0] * offset[..., 0] + offset[..., 1] * offset[..., 1]
