"""reproj_px: where one view's prediction lands in another view's image, against where the truth is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.geometry import project, to_camera
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.point_sets import PointSet, check_points_and_world
from hoibench.metrics.true_tracks import cameras_to_world, world_to_cameras
from hoibench.metrics.xv_rpe import group_by_view_pair, ordered_pairs, true_in_both_views

PENALTY = 0.1
"""Share of the image's diagonal that a point behind the camera, or a missing one, is off by."""


def pixel_error(answer: PointSet, truth: Array, cameras: Sequence[Camera]) -> Array:
    """Pixels between sP_i and X in camera j, for each ordered pair: (V (V-1), N, K).

    A point that is missing, or behind camera j, is off by a tenth of the diagonal of j's image.

    Args:
        answer: (V, N, K, 3) camera space, metres.
        truth: (V, N, K, 3) camera space, metres; the points that count lie in front of their camera.
        cameras: the V cameras.
    """
    if len(cameras) < 2:
        raise ValueError("one view reprojects into no other: cross-view metrics need at least two cameras")
    world = cameras_to_world(answer.xyz, cameras)
    errors = []
    for i, j in zip(*ordered_pairs(len(cameras)), strict=True):
        camera = cameras[j]
        seen = to_camera(world[i], camera.R, camera.t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = np.linalg.norm(project(seen, camera.K) - project(truth[j], camera.K), axis=-1)
        in_front = answer.valid[i] & (seen[..., 2] > 0)
        errors.append(np.where(in_front, distance, PENALTY * float(np.hypot(*camera.size))))
    return np.stack(errors)


def reproj_px(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Reprojection error, px: median over ordered view pairs' points, those true in both views, of ``pixel_error``.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned, V at least 2.
        world: (N, K, 3) true points, metres, world frame.
        cameras: the V cameras.
        mask: (V, N, K) bool, the truth's points that count.
        valid: (V, N, K) bool, where there is a prediction.  None means everywhere.

    Raises:
        ValueError: shapes differ, there is one view, or a point is not finite.
        Undefined: no point counts in two views.
    """
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return _median(pixel_error(answer, world_to_cameras(X, cameras), cameras), true_in_both_views(m))


def _median(error: Array, mask: Array) -> float:
    if not mask.any():
        raise Undefined("no true point is visible in two views at once")
    return float(np.median(error[mask]))


def measure_reproj_px(case: Case) -> Iterator[Measurement]:
    """reproj_px@1."""
    motion = align_motion(case)
    truth, grain = motion.truth, group_by_view_pair(motion)
    error = pixel_error(motion.answer, truth.points, truth.cameras)
    details = {}
    if motion.floor is not None:
        details["pairing_floor"] = _median(pixel_error(motion.floor, truth.points, truth.cameras), grain.mask)
    frames = grain.mask.any(axis=-1).sum(axis=-1)
    expected = grain.mask.shape[1]
    for p, name in enumerate(grain.names):
        value = _median(error[p], grain.mask[p]) if frames[p] else "no true point is visible in both views at once"
        yield motion.row_or_reason(
            value, pair=name, n_scored=int(frames[p]), n_expected=expected, coverage=grain.coverage(p)
        )
    yield motion.row(
        _median(error, grain.mask),
        n_scored=int(frames.sum()),
        n_expected=expected * len(grain.names),
        coverage=grain.coverage(),
        details=details,
    )
