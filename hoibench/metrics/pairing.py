"""Pairing: which predicted point answers for which true one, and what the pairing alone costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from hoibench.clip import Array, Prediction, check_shape
from hoibench.geometry import unproject
from hoibench.metrics.case import Pairing
from hoibench.metrics.measurement import Failed, NotApplicable
from hoibench.metrics.point_maps import sample_point_maps
from hoibench.metrics.point_sets import PointSet, check_points
from hoibench.metrics.true_tracks import TrueTracks


@dataclass(frozen=True, eq=False)
class Paired:
    """A prediction put in the truth's order.

    Attributes:
        answer: (V, N, K, 3) predicted points in the method's unit, each beside the true point that it answers for.
        floor: the truth through the same pairing, or None where points pair by index and nothing is lost.
        index: (V, K) predicted track of each true point, -1 where none; None where tracks were not searched.
    """

    answer: PointSet
    floor: PointSet | None = None
    index: Array | None = None


def pair(prediction: Prediction, truth: TrueTracks, pairing: Pairing) -> Paired:
    """Pair a prediction's points with the truth's, as its method's spec says.

    ``query``: in order, since the method was given the anchors.  ``anchor``: by the nearest predicted frame-0 anchor.
    ``oracle-projection``: point maps sampled at the truth's pixel.

    Raises:
        Failed: the prediction has another number of views, frames or (``query``) points than the truth.
        NotApplicable: the method gives no tracks, or no point maps.
        ValueError: ``pairing`` is unknown.
    """
    if pairing == "query":
        tracks = _tracks(prediction, truth)
        if tracks.shape[2] != truth.world.shape[1]:
            raise Failed(
                f"the method declares query pairing, but gives {tracks.shape[2]} tracks for {truth.world.shape[1]} anchors: "
                "answer every anchor, in order"
            )
        return Paired(check_points("tracks", tracks, prediction.valid))
    if pairing == "anchor":
        return _pair_by_anchor(prediction, truth)
    if pairing == "oracle-projection":
        return _pair_by_projection(prediction, truth)
    raise ValueError(f"pairing is {pairing!r}, expected query, anchor or oracle-projection")


def anchor_radius(height: int) -> float:
    """How far, in pixels, an anchor may be from a true point and still answer for it: max(1, H / 240)."""
    return max(1.0, height / 240.0)


def find_nearest_anchors(pixels: Array, anchors: Array, radius: float) -> Array:
    """Index of the nearest predicted anchor of each true pixel, -1 where none is within ``radius``.

    Args:
        pixels: (K, 2) true pixels; those that are not finite get -1.
        anchors: (K', 2) predicted pixels; several true points may share one.
        radius: pixels; an anchor exactly this far still counts.

    Returns:
        (K,) int; of anchors equally near, the one of the lowest index.
    """
    check_shape("pixels", pixels, ("K", 2))
    check_shape("anchors", anchors, ("K'", 2))
    chosen = np.full(len(pixels), -1)
    real = np.flatnonzero(np.isfinite(pixels).all(axis=-1))
    if not len(anchors) or not len(real):
        return chosen
    tree = cKDTree(anchors)
    distance = np.asarray(tree.query(pixels[real])[0])
    # The tree breaks ties as it likes: ask again for all anchors at that distance, and take the first.
    slack = 1.0 + 1e-9
    near = np.flatnonzero(distance <= radius * slack)
    for k, candidates in zip(
        real[near], tree.query_ball_point(pixels[real[near]], distance[near] * slack), strict=True
    ):
        order = np.sort(candidates)
        squares = np.square(anchors[order] - pixels[k]).sum(axis=-1)
        best = int(np.argmin(squares))
        if squares[best] <= radius**2:
            chosen[k] = order[best]
    return chosen


def _pair_by_anchor(prediction: Prediction, truth: TrueTracks) -> Paired:
    tracks = _tracks(prediction, truth)
    assert prediction.anchors is not None  # Prediction demands them beside tracks
    anchors = prediction.anchors.astype(np.float64)
    seen = truth.seen_first[:, 0]
    index = np.stack(
        [
            find_nearest_anchors(
                np.where(seen[v, :, None], truth.pixels[v, 0], np.inf), anchors[v], anchor_radius(camera.size[0])
            )
            for v, camera in enumerate(truth.cameras)
        ]
    )
    found: Array = np.greater_equal(index, 0)
    views = np.arange(len(index))[:, None]
    if not found.any():
        nothing = PointSet(np.zeros(truth.points.shape), np.zeros(truth.mask.shape, dtype=bool))
        return Paired(nothing, nothing, index)
    valid = np.ones(tracks.shape[:3], dtype=bool) if prediction.valid is None else prediction.valid.astype(bool)
    # Advanced indices around the frame axis put it behind them: (V, K, N), hence the swap.
    answered: Array = found[:, None] & valid[views, :, index].swapaxes(1, 2)
    answer = check_points("tracks", tracks[views, :, index].swapaxes(1, 2), answered)
    return Paired(answer, _floor_by_anchor(anchors[views, index], found, truth), index)


def _floor_by_anchor(anchors: Array, found: Array, truth: TrueTracks) -> PointSet:
    """The truth started at its partner's anchor, at its own depth: what a perfect method with these anchors answers."""
    offset = np.zeros_like(truth.points[:, 0])
    for v, camera in enumerate(truth.cameras):
        first = truth.points[v, 0]
        offset[v] = unproject(anchors[v], first[:, 2], camera.K) - first
    answered = np.broadcast_to(found[:, None], truth.mask.shape)
    return check_points("the pairing floor", truth.points + offset[:, None], answered)


def _pair_by_projection(prediction: Prediction, truth: TrueTracks) -> Paired:
    maps = prediction.points
    if maps is None:
        raise NotApplicable("the method gives no point maps")
    _check_grid("point maps", maps, truth)
    pixels = np.where(truth.mask[..., None], truth.pixels, np.inf)
    answer, centres = sample_point_maps(maps, pixels, [camera.size for camera in truth.cameras])
    inside = np.isfinite(centres[..., 0])
    on_rays = [
        unproject(np.where(inside[v, ..., None], centres[v], 0.0), truth.points[v, ..., 2], camera.K)
        for v, camera in enumerate(truth.cameras)
    ]
    return Paired(answer, check_points("the pairing floor", np.stack(on_rays), inside))


def _tracks(prediction: Prediction, truth: TrueTracks) -> Array:
    if prediction.tracks is None:
        raise NotApplicable("the method gives no tracks")
    _check_grid("tracks", prediction.tracks, truth)
    return prediction.tracks


def _check_grid(name: str, array: Array, truth: TrueTracks) -> None:
    want = truth.mask.shape[:2]
    if array.shape[:2] != want:
        raise Failed(
            f"{name} hold {array.shape[0]} views of {array.shape[1]} frames, the clip has {want[0]} of {want[1]}: answer the request's grid"
        )
