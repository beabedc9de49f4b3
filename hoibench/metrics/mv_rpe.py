"""mv_rpe, mv_pi: each view's prediction against the truth in the world, relative to the scene's size or to the distance from the world's origin.

Formula:    100 mean_v mean_n [ sum_k m min(e, 3) / sum_k m ];  mv_pi: the same means of 100 1(e < 0.25)
            scene: e = |W_v(sP_v) - X_w| / D;  world: e = |W_v(sP_v) - X_w| / max(|X_w|, 0.01 m)
            mv_rpe_world@1, for comparison with the paper's tables only: without the bound of 3.
Points:     P_v predicted, camera space of view v, metres; X_w true, world, metres; P in the order of X (``pairing``); s the alignment's scale
            (``alignment``); W_v(p) = R_v^T (p - t_v); D the RMS distance of all true points to their centroid (``scene_size``).
Counted:    m: visible in the view in frame 0 and in frame n (``TrueTracks.mask``); _all: visible in frame 0, hidden or not in frame n.
Missing:    e = 3, the largest error of an answer (mv_rpe_world@1: 1).
Card:       cards/motion_across_views.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.metrics.aligned_motion import (
    AlignedMotion,
    PointGroups,
    align_motion,
    group_by_view,
    group_by_view_with_hidden,
    measure_groups,
)
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import PointSet, check_prediction_and_world, mean_of_means
from hoibench.metrics.rpe import (
    MIN_NORM,
    SCENE_CAP,
    SCENE_THRESHOLD,
    capped_percent,
    inlier_percent,
    relative_error,
    uncapped_percent,
)
from hoibench.metrics.true_tracks import cameras_to_world, scene_size
from hoibench.store import sha256_json


def mv_rpe_scene(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None
) -> float:
    """Return the multi-view relative point error, % of the scene's size: the mean distance in the world between predicted and true points.

    The value is 100 mean_v mean_n [ sum_k m e / sum_k m ] with e the smaller of ``scene_error`` and 3, and m the ``mask``.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned.
        world: (N, K, 3) true points, metres, world frame; all of them determine the scene's size.
        cameras: the V cameras.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing, which scores e = 3.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point is not finite.
        Undefined: ``mask`` is empty, or all true points coincide.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))]
    >>> world = np.array([[[-0.5, 0.0, 1.0], [0.5, 0.0, 1.0]]])  # one frame, two points, scene size 0.5 m
    >>> pred = world[None] + np.array([0.0, 0.0, 0.05])
    >>> round(mv_rpe_scene(pred, world, cameras, np.ones((1, 1, 2), dtype=bool)), 6)
    10.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return mean_of_means(capped_percent(scene_error(points, X, cameras), SCENE_CAP), m).value


def mv_pi_scene(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Return the multi-view inliers, %: points with an error under a quarter of the scene's size.

    Arguments, errors and the order of means are those of ``mv_rpe_scene``.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))]
    >>> world = np.array([[[-0.5, 0.0, 1.0], [0.5, 0.0, 1.0]]])
    >>> pred = world[None] + np.array([[0.0, 0.0, 0.05], [0.0, 0.0, 0.2]])
    >>> mv_pi_scene(pred, world, cameras, np.ones((1, 1, 2), dtype=bool))
    50.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return mean_of_means(inlier_percent(scene_error(points, X, cameras), SCENE_THRESHOLD), m).value


def mv_rpe_world(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None
) -> float:
    """Return the multi-view relative point error, % of each point's distance from the world's origin.

    Arguments, errors and the order of means are those of ``mv_rpe_scene``.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))]
    >>> world = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]])
    >>> pred = world[None] + np.array([0.0, 0.0, 0.1])
    >>> round(mv_rpe_world(pred, world, cameras, np.ones((1, 1, 2), dtype=bool)), 6)
    7.5
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return mean_of_means(capped_percent(world_error(points, X, cameras), SCENE_CAP), m).value


def mv_rpe_world_uncapped(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None
) -> float:
    """Return ``mv_rpe_world`` without its largest error of 3: a missing prediction has e = 1, as in the paper's other relative error.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))]
    >>> world = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]])
    >>> round(mv_rpe_world_uncapped(world[None] + np.array([0.0, 0.0, 8.0]), world, cameras, np.ones((1, 1, 2), dtype=bool)), 6)
    600.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return mean_of_means(uncapped_percent(world_error(points, X, cameras)), m).value


def mv_pi_world(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Return the multi-view inliers, %: points with an error under a quarter of their distance from the world's origin.

    Arguments, errors and the order of means are those of ``mv_rpe_scene``.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))]
    >>> world = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]])
    >>> pred = world[None] + np.array([0.0, 0.0, 0.3])
    >>> mv_pi_world(pred, world, cameras, np.ones((1, 1, 2), dtype=bool))
    50.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return mean_of_means(inlier_percent(world_error(points, X, cameras), SCENE_THRESHOLD), m).value


def scene_error(pred: PointSet, world: Array, cameras: Sequence[Camera]) -> Array:
    """Return each point's error relative to the scene's size D: e = |W_v(sP_v) - X_w| / D, (V, N, K); infinite if missing.

    W_v moves a point from the space of camera v to the world.

    Args:
        pred: sP, (V, N, K, 3) predicted points, camera space, metres.
        world: X_w, (N, K, 3) true points, world, metres.
        cameras: the V cameras.
    """
    return relative_error(_to_world(pred, cameras), world, scene_size(world))


def world_error(pred: PointSet, world: Array, cameras: Sequence[Camera]) -> Array:
    """Return each point's error relative to its distance from the world's origin: e = |W_v(sP_v) - X_w| / max(|X_w|, 0.01), (V, N, K).

    Arguments, W_v and missing predictions as in ``scene_error``.
    """
    return relative_error(_to_world(pred, cameras), world, np.maximum(np.linalg.norm(world, axis=-1), MIN_NORM))


def _to_world(pred: PointSet, cameras: Sequence[Camera]) -> PointSet:
    return PointSet(cameras_to_world(pred.xyz, cameras), pred.valid)


def measure_mv_rpe_scene(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_rpe_scene@2 (%; lower is better; 0 to 300): one per view, then the clip's."""
    motion = align_motion(case)
    yield from _measure_scene(motion, group_by_view(motion), _capped)


def measure_mv_rpe_scene_all(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_rpe_scene_all@2 (%; lower is better; 0 to 300): as mv_rpe_scene, with hidden points."""
    motion = align_motion(case)
    yield from _measure_scene(motion, group_by_view_with_hidden(motion), _capped)


def measure_mv_pi_scene(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_pi_scene@1 (%; higher is better; 0 to 100): one per view, then the clip's."""
    motion = align_motion(case)
    yield from _measure_scene(motion, group_by_view(motion), _inliers)


def measure_mv_rpe_world(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_rpe_world@2 (%; lower is better; 0 to 300): one per view, then the clip's."""
    yield from _measure_world(case, _capped)


def measure_mv_rpe_world_uncapped(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_rpe_world@1 (%; lower is better; 0 or more): without a largest error, for the paper's tables."""
    yield from _measure_world(case, uncapped_percent)


def measure_mv_pi_world(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of mv_pi_world@1 (%; higher is better; 0 to 100): one per view, then the clip's."""
    yield from _measure_world(case, _inliers)


def _capped(error: Array) -> Array:
    return capped_percent(error, SCENE_CAP)


def _inliers(error: Array) -> Array:
    return inlier_percent(error, SCENE_THRESHOLD)


def _measure_scene(
    motion: AlignedMotion, groups: PointGroups, to_percent: Callable[[Array], Array]
) -> Iterator[Measurement]:
    truth = motion.truth
    yield from measure_groups(
        motion,
        groups,
        lambda pred: to_percent(scene_error(pred, truth.world, truth.cameras)),
        scene_size=truth.scene_size,
    )


def _measure_world(case: Case, to_percent: Callable[[Array], Array]) -> Iterator[Measurement]:
    motion = align_motion(case)
    truth = motion.truth
    yield from measure_groups(
        motion,
        group_by_view(motion),
        lambda pred: to_percent(world_error(pred, truth.world, truth.cameras)),
        origin=origin_id(truth.cameras),
        median_norm=float(np.median(np.linalg.norm(truth.world, axis=-1))),
    )


def origin_id(cameras: Sequence[Camera]) -> str:
    """Return 12 hex digits that identify the world's origin by the camera poses in it: results with the same id share an origin."""
    return sha256_json([[np.round(camera.R, 4).tolist(), np.round(camera.t, 4).tolist()] for camera in cameras])[:12]
