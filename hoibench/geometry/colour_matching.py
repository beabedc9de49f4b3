"""Which anchor each pixel of a motion pseudo-video shows: the inverse of drawing, before any averaging.

A pixel is *foreground* if its colour is nearer to the box of colours that can occur (from the least red and green of the anchors, and ``darkest``
blue, up to white) than to black.  With ``darkest`` 0.1 the two are at least 0.17 apart.  With 0 the box may reach black: then every pixel that is not
black is foreground, and what was drawn black is lost.

A foreground pixel shows the anchor whose colour is nearest, measured in pixels of frame 0, of equally near ones that of the lowest index, unless
that is farther than ``match_within`` times the anchors' spacing, the median distance from an anchor to the next.  Anchors that share a colour are one
anchor, that of the lowest index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hoibench.geometry.arrays import constant, flatnonzero, namespace, on_host
from hoibench.geometry.motion_colours import anchor_colours, has_colour, pixels_of_colours

_PAIRS = 1 << 24
"""Distances that are held at once."""


def match(video: Any, anchors: Any, *, darkest: float, match_within: float) -> tuple[Any, Any, Any, Any]:
    """Every pixel that shows an anchor, frame by frame in reading order.

    Args:
        video: (N, H, W, 3) float32, finite.
        anchors: (K, 2) pixels in frame 0; those outside the image have no colour and match nothing.
        darkest: as drawn.
        match_within: in spacings; one anchor alone has none and matches every foreground pixel.

    Returns:
        Frame, row, column and anchor of the P pixels, each (P,) int64.
    """
    xp, video, anchors = namespace(video, anchors), constant(video), constant(anchors)
    size = (video.shape[1], video.shape[2])
    coloured = flatnonzero(has_colour(anchors, size))
    if not len(coloured) or not len(video):
        nothing = xp.zeros(0, dtype=xp.int64, device=video.device)
        return nothing, nothing, nothing, nothing
    colours = anchor_colours(anchors[coloured], size, darkest)
    least = (float(colours[:, 0].min()), float(colours[:, 1].min()), darkest)
    places = pixels_of_colours(colours, size, darkest)
    distinct = flatnonzero(_by_table(places, places) == xp.arange(len(places), device=places.device))
    places, owner = places[distinct], coloured[distinct]
    nearest = _search(places, match_within * _spacing(places))
    found = []
    for n, frame in enumerate(video):
        pixel = _foreground(frame, least)
        row, column = pixel // size[1], pixel % size[1]
        place = nearest(pixels_of_colours(frame[row, column, :2], size, darkest))
        near = place >= 0
        found.append((xp.full_like(row[near], n), row[near], column[near], owner[place[near]]))
    frames, rows, columns, owners = (xp.concat(parts) for parts in zip(*found, strict=True))
    return frames, rows, columns, owners


def _foreground(frame: Any, least: tuple[float, float, float]) -> Any:
    """Indices of the pixels nearer to the box above ``least`` than to black: |p|^2 > |max(least - p, 0)|^2."""
    margin = 0.0
    for channel, low in enumerate(least):
        value = frame[..., channel]
        below = (low - value).clip(0.0)
        margin = margin + (value * value - below * below)
    return flatnonzero(margin > 0.0)


def _spacing(places: Any) -> float:
    """Median distance from one place to the next; infinite for a single one."""
    if len(places) < 2:
        return np.inf
    xp = namespace(places)
    nearest = [xp.amin(xp.where(squares > 0.0, squares, xp.inf), axis=1) for squares in _tables(places, places)]
    return float(np.median(np.sqrt(on_host(xp.concat(nearest)))))


def _search(places: Any, reach: float) -> Callable[[Any], Any]:
    """A function from (P, 2) points to the index of the nearest place, -1 where none is within ``reach``: (P,) int64."""
    xp = namespace(places)
    nearest = _by_tree(places, reach) if str(places.device) == "cpu" else partial(_by_table, places=places)

    def search(points: Any) -> Any:
        index = nearest(points)
        return xp.where(_squares(points, places[index]) <= reach**2, index, -1)

    return search


def _by_tree(places: Any, reach: float) -> Callable[[Any], Any]:
    """What ``_by_table`` gives wherever it is within ``reach``, by a k-d tree."""
    from scipy.spatial import cKDTree

    xp, tree = namespace(places), cKDTree(on_host(places))
    slack = 1.0 + 1e-9

    def nearest(points: Any) -> Any:
        found = tree.query(on_host(points), k=[1, 2], distance_upper_bound=reach * slack)
        distance, index = np.asarray(found[0]), np.asarray(found[1])
        # The tree breaks ties as it likes, and says "none" by an index past the end.
        tied = np.isfinite(distance[:, 1]) & (distance[:, 1] <= distance[:, 0] * slack)
        index = xp.asarray(np.where(np.isfinite(distance[:, 0]), index[:, 0], 0))
        index[xp.asarray(tied)] = _by_table(points[xp.asarray(tied)], places)
        return index

    return nearest


def _by_table(points: Any, places: Any) -> Any:
    """Index of the nearest place of each point, the first of equally near ones, by trying all; (P, 2), (A, 2) -> (P,) int64."""
    xp = namespace(points, places)
    rows = [table.argmin(axis=1) for table in _tables(points, places)]
    return xp.concat(rows) if rows else xp.zeros(0, dtype=xp.int64, device=points.device)


def _tables(points: Any, places: Any) -> Iterator[Any]:
    """Squared distances of all points from all places, some rows at a time."""
    step = max(1, _PAIRS // len(places))
    for start in range(0, len(points), step):
        yield _squares(points[start : start + step, None], places)


def _squares(a: Any, b: Any) -> Any:
    """Squared distances; (..., 2) each."""
    away = a - b
    return away[..., 0] * away[..., 0] + away[..., 1] * away[..., 1]
