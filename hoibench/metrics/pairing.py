"""Pairing: find the predicted point of each true point, and measure the error that the pairing alone causes.

query              the method tracked the pixels that the benchmark gave it: predicted point k is true point k.
anchor             a true point takes the predicted track whose frame-0 anchor is nearest, within max(1, H / 240) pixels, in each view.
oracle-projection  a true point takes the point map's value at the true point's pixel; points at edges of the true depth do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.spatial import cKDTree

from hoibench.clip import Array, Pairing, Prediction, check_shape
from hoibench.geometry import unproject
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.point_maps import sample_point_maps
from hoibench.metrics.point_sets import PointSet, mask_points
from hoibench.metrics.true_tracks import TrueTracks


@dataclass(frozen=True, eq=False)
class PairedPoints:
    """A prediction in the order of the true points.

    Attributes:
        pred: (V, N, K, 3) predicted points, camera space, in the method's unit: entry k is the prediction of true point k.
        paired_truth: (V, N, K, 3) the points that a perfect method would get by the same pairing, camera space, metres: their error is caused by the
            pairing alone.  None for ``query`` pairing, which is exact.
        track_index: (V, K) predicted track of each true point, -1 for none; None unless tracks were paired by anchor.
    """

    pred: PointSet
    paired_truth: PointSet | None = None
    track_index: Array | None = None


def pair_prediction(prediction: Prediction, truth: TrueTracks, pairing: Pairing) -> PairedPoints:
    """Return a prediction's points in the order of the true points.

    Args:
        prediction: the method's prediction.
        truth: the clip's true tracks.
        pairing: ``query`` (by index), ``anchor`` (the nearest predicted track in frame 0) or ``oracle-projection`` (the point map's value at the true
            point's pixel).

    Raises:
        NotApplicable: the method gives no tracks, or no point maps for ``oracle-projection``.
        ValueError: ``pairing`` is unknown.
    """
    if pairing not in get_args(Pairing):
        raise ValueError(f"pairing is {pairing!r}, expected one of {', '.join(get_args(Pairing))}")
    if pairing == "oracle-projection":
        return _pair_by_projection(prediction, truth)
    if prediction.tracks is None:
        raise NotApplicable("the method gives no tracks")
    if pairing == "anchor":
        return _pair_by_anchor(prediction, truth)
    return PairedPoints(mask_points(prediction.tracks, prediction.valid))


def anchor_radius(height: int) -> float:
    """Return the largest distance in frame 0 between a track and a true point that are paired: max(1, H / 240) pixels for image height H."""
    return max(1.0, height / 240.0)


def find_nearest_anchors(pixels: Array, anchors: Array, radius: float) -> Array:
    """Return the index of each true point's nearest anchor (a predicted track's pixel in frame 0), or -1 if none is within ``radius``.

    Args:
        pixels: (K, 2) pixels of the true points; pixels that are not finite get -1.
        anchors: (K', 2) pixels of the predicted tracks; several true points may share one.
        radius: pixels; an anchor at exactly this distance still counts.

    Returns:
        (K,) int; of several nearest anchors, the lowest index.

    >>> anchors = np.array([[9.0, 9.0], [1.0, 0.0]])
    >>> find_nearest_anchors(np.array([[0.5, 0.0], [5.0, 5.0]]), anchors, radius=1.0).tolist()
    [1, -1]
    """
    check_shape("pixels", pixels, ("K", 2))
    check_shape("anchors", anchors, ("K'", 2))
    chosen = np.full(len(pixels), -1)
    finite = np.flatnonzero(np.isfinite(pixels).all(axis=-1))
    if not len(anchors) or not len(finite):
        return chosen
    tree = cKDTree(anchors)
    distance = np.asarray(tree.query(pixels[finite])[0])
    # The tree's choice among ties is arbitrary: query all anchors at that distance again, and choose the first.
    slack = 1.0 + 1e-9
    near = np.flatnonzero(distance <= radius * slack)
    for k, candidates in zip(
        finite[near], tree.query_ball_point(pixels[finite[near]], distance[near] * slack), strict=True
    ):
        order = np.sort(candidates)
        squares = np.square(anchors[order] - pixels[k]).sum(axis=-1)
        best = int(np.argmin(squares))
        if squares[best] <= radius**2:
            chosen[k] = order[best]
    return chosen


def _pair_by_anchor(prediction: Prediction, truth: TrueTracks) -> PairedPoints:
    assert prediction.tracks is not None  # checked by pair_prediction
    assert prediction.anchors is not None  # Prediction requires them with tracks
    tracks, anchors = prediction.tracks, prediction.anchors.astype(np.float64)
    visible = truth.visible_first[:, 0]
    index = np.stack(
        [
            find_nearest_anchors(
                np.where(visible[v, :, None], truth.pixels[v, 0], np.inf), anchors[v], anchor_radius(camera.size[0])
            )
            for v, camera in enumerate(truth.cameras)
        ]
    )
    found: Array = np.greater_equal(index, 0)
    views = np.arange(len(index))[:, None]
    if not found.any():
        nothing = PointSet(np.zeros(truth.points.shape), np.zeros(truth.mask.shape, dtype=bool))
        return PairedPoints(nothing, nothing, index)
    valid = np.ones(tracks.shape[:3], dtype=bool) if prediction.valid is None else prediction.valid
    # Advanced indices on both sides of the frame axis move it to the end: (V, K, N), hence the swap.
    pred_valid: Array = found[:, None] & valid[views, :, index].swapaxes(1, 2)
    pred = mask_points(tracks[views, :, index].swapaxes(1, 2), pred_valid)
    return PairedPoints(pred, _move_to_anchors(truth, anchors[views, index], found), index)


def _move_to_anchors(truth: TrueTracks, anchors: Array, found: Array) -> PointSet:
    """Return the tracks of a perfect method that starts at these anchors: each true track, shifted to start at its anchor's pixel at its own depth.

    Args:
        truth: the true tracks.
        anchors: (V, K, 2) pixels of the anchor paired with each true point.
        found: (V, K) bool, false for points without an anchor, which are not valid in the result.
    """
    offset = np.zeros_like(truth.points[:, 0])
    for v, camera in enumerate(truth.cameras):
        first = truth.points[v, 0]
        offset[v] = unproject(anchors[v], first[:, 2], camera.K) - first
    return mask_points(truth.points + offset[:, None], np.broadcast_to(found[:, None], truth.mask.shape))


def _pair_by_projection(prediction: Prediction, truth: TrueTracks) -> PairedPoints:
    if prediction.points is None:
        raise NotApplicable("the method gives no point maps")
    pixels = np.where(truth.mask[..., None], truth.pixels, np.inf)
    pred, centres = sample_point_maps(prediction.points, pixels, [camera.size for camera in truth.cameras])
    inside = np.isfinite(centres[..., 0])
    on_rays = [
        unproject(np.where(inside[v, ..., None], centres[v], 0.0), truth.points[v, ..., 2], camera.K)
        for v, camera in enumerate(truth.cameras)
    ]
    return PairedPoints(pred, mask_points(np.stack(on_rays), inside))
