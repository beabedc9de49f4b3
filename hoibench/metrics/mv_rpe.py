"""mv_*: each view's answer against the truth in the world, divided by the scene's size or by the distance from the world's origin."""

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
from hoibench.metrics.point_sets import PointSet, check_points_and_world, mean_of_means
from hoibench.metrics.rpe import MIN_NORM, inlier_percent, relative_error
from hoibench.metrics.true_tracks import cameras_to_world, scene_size
from hoibench.store import sha256_json

THRESHOLD = 0.25


def scene_error(answer: PointSet, world: Array, cameras: Sequence[Camera]) -> Array:
    """Error e = |W_v(sP_v) - X_w| / D, (V, N, K), where D is the scene's size.

    Args:
        answer: (V, N, K, 3) camera space, metres.
        world: X_w, (N, K, 3) metres.
        cameras: the V cameras.
    """
    return relative_error(_moved(answer, cameras), world, scene_size(world))


def world_error(answer: PointSet, world: Array, cameras: Sequence[Camera]) -> Array:
    """Error e = |W_v(sP_v) - X_w| / max(|X_w|, 0.01), (V, N, K); arguments as ``scene_error``."""
    return relative_error(_moved(answer, cameras), world, np.maximum(np.linalg.norm(world, axis=-1), MIN_NORM))


def _moved(answer: PointSet, cameras: Sequence[Camera]) -> PointSet:
    return PointSet(cameras_to_world(answer.xyz, cameras), answer.valid)


def mv_rpe_scene(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None
) -> float:
    """Multi-view relative point error, % of the scene's size: 100 mean_v mean_n [ sum_k m e / sum_k m ] of ``scene_error``.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned.
        world: (N, K, 3) true points, metres, world frame; all of them enter the scene's size.
        cameras: the V cameras.
        mask: (V, N, K) bool, the truth's points that count.
        valid: (V, N, K) bool, where there is a prediction; e = 1 elsewhere.  None means everywhere.

    Raises:
        ValueError: shapes differ, or a point is not finite.
        Undefined: ``mask`` is empty, or all true points coincide.
    """
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return mean_of_means(100.0 * scene_error(answer, X, cameras), m).value


def mv_pi_scene(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Multi-view inliers, %: points whose ``scene_error`` is strictly under 0.25; arguments as ``mv_rpe_scene``."""
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return mean_of_means(inlier_percent(scene_error(answer, X, cameras), THRESHOLD), m).value


def mv_rpe_world(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None
) -> float:
    """Multi-view relative point error, % of the distance from the world's origin; arguments as ``mv_rpe_scene``."""
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return mean_of_means(100.0 * world_error(answer, X, cameras), m).value


def mv_pi_world(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Multi-view inliers, %: points whose ``world_error`` is strictly under 0.25; arguments as ``mv_rpe_scene``."""
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return mean_of_means(inlier_percent(world_error(answer, X, cameras), THRESHOLD), m).value


def measure_mv_rpe_scene(case: Case) -> Iterator[Measurement]:
    """mv_rpe_scene@1."""
    motion = align_motion(case)
    yield from _report_scene(motion, group_by_view(motion), lambda error: 100.0 * error)


def measure_mv_rpe_scene_all(case: Case) -> Iterator[Measurement]:
    """mv_rpe_scene_all@1: mv_rpe_scene over hidden points too."""
    motion = align_motion(case)
    yield from _report_scene(motion, group_by_view_with_hidden(motion), lambda error: 100.0 * error)


def measure_mv_pi_scene(case: Case) -> Iterator[Measurement]:
    """mv_pi_scene@1."""
    motion = align_motion(case)
    yield from _report_scene(motion, group_by_view(motion), lambda error: inlier_percent(error, THRESHOLD))


def measure_mv_rpe_world(case: Case) -> Iterator[Measurement]:
    """mv_rpe_world@1."""
    yield from _report_world(align_motion(case), lambda error: 100.0 * error)


def measure_mv_pi_world(case: Case) -> Iterator[Measurement]:
    """mv_pi_world@1."""
    yield from _report_world(align_motion(case), lambda error: inlier_percent(error, THRESHOLD))


def _report_scene(motion: AlignedMotion, grain: PointGroups, read: Callable[[Array], Array]) -> Iterator[Measurement]:
    truth = motion.truth
    size = scene_size(truth.world)
    yield from measure_groups(
        motion, grain, lambda answer: read(scene_error(answer, truth.world, truth.cameras)), scene_size=size
    )


def _report_world(motion: AlignedMotion, read: Callable[[Array], Array]) -> Iterator[Measurement]:
    truth = motion.truth
    yield from measure_groups(
        motion,
        group_by_view(motion),
        lambda answer: read(world_error(answer, truth.world, truth.cameras)),
        origin=origin_id(truth.cameras),
        median_norm=float(np.median(np.linalg.norm(truth.world, axis=-1))),
    )


def origin_id(cameras: Sequence[Camera]) -> str:
    """12 hex digits that name the world's origin by where the cameras stand in it: rows with one id share an origin."""
    return sha256_json([[np.round(camera.R, 4).tolist(), np.round(camera.t, 4).tolist()] for camera in cameras])[:12]
