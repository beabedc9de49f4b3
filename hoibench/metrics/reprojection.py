"""reproj_px: the pixels between one view's prediction and the truth in another view's image.

Formula:    median over i != j, n and k with m_i m_j of min(|pi_j(W_i(sP_i)) - pi_j(X_w)|, d_j / 10), pixels; pi_j projects into camera j, whose
            image has the diagonal d_j.
Points:     P_v predicted, camera space of view v, metres; X_w true, world, metres; P in the order of X (``pairing``); s the alignment's scale
            (``alignment``); W_v(p) = R_v^T (p - t_v).
Counted:    m_i m_j: visible in both views in frame 0 and in frame n.
Missing:    d_j / 10, the largest error of an answer, also for points behind camera j.
Card:       cards/motion_across_views.toml
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.geometry import project, to_camera
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.point_sets import PointSet, check_prediction_and_world
from hoibench.metrics.true_tracks import cameras_to_world, world_to_cameras
from hoibench.metrics.xv_rpe import group_by_view_pair, ordered_pairs, true_in_both_views

CAP = 0.1
"""Largest error of a point, and that of a missing point or one behind the camera, as a share of the image's diagonal."""


def reproj_px(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Return the reprojection error, px: the median distance between a view's prediction and the truth in the image of another view.

    The median is over all ordered pairs of views, all frames and the points that count in both views.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned, V at least 2.
        world: (N, K, 3) true points, metres, world frame.
        cameras: the V cameras.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.

    Raises:
        ValueError: shapes differ, there is one view, or a point is not finite.
        Undefined: no point counts in two views.

    >>> K = np.array([[200.0, 0.0, 95.5], [0.0, 200.0, 63.5], [0.0, 0.0, 1.0]])
    >>> cameras = [Camera(K, np.eye(3), np.array([dx, 0.0, 0.0]), (128, 192)) for dx in (0.0, -0.1)]
    >>> world = np.array([[[0.05, 0.0, 2.0]]])
    >>> pred = world_to_cameras(world + np.array([0.0, 0.01, 0.0]), cameras)  # 1 cm off at 2 m, focal length 200 px
    >>> round(reproj_px(pred, world, cameras, np.ones((2, 1, 1), dtype=bool)), 6)
    1.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    return _median(pixel_error(points, world_to_cameras(X, cameras), cameras), true_in_both_views(m))


def pixel_error(pred: PointSet, truth: Array, cameras: Sequence[Camera]) -> Array:
    """Return the distance between view i's prediction and the truth in the image of camera j, pixels, for each ordered pair (i, j).

    The result has shape (V (V-1), N, K).  No error exceeds a tenth of the diagonal of j's image; points that are missing or behind camera j have it.

    Args:
        pred: sP, (V, N, K, 3) predicted points in the space of each camera, metres.
        truth: X, (V, N, K, 3) true points in the space of each camera, metres; the points that count are in front of their camera.
        cameras: the V cameras.
    """
    world = cameras_to_world(pred.xyz, cameras)
    errors = []
    for i, j in zip(*ordered_pairs(len(cameras)), strict=True):
        camera = cameras[j]
        in_camera = to_camera(world[i], camera.R, camera.t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = np.linalg.norm(project(in_camera, camera.K) - project(truth[j], camera.K), axis=-1)
        in_front = pred.valid[i] & (in_camera[..., 2] > 0)
        cap = pixel_cap(camera)
        errors.append(np.where(in_front, np.minimum(distance, cap), cap))
    return np.stack(errors)


def pixel_cap(camera: Camera) -> float:
    """Return the largest error of a point in a camera's image, pixels: a tenth of its diagonal."""
    return CAP * float(np.hypot(*camera.size))


def _median(error: Array, mask: Array) -> float:
    if not mask.any():
        raise Undefined("no true point is visible in two views at once")
    return float(np.median(error[mask]))


def measure_reproj_px(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of reproj_px@2 (px; lower is better; 0 or more): one per ordered pair of views, then the clip's."""
    motion = align_motion(case)
    truth, groups = motion.truth, group_by_view_pair(motion)
    error = pixel_error(motion.pred, truth.points, truth.cameras)
    _, seen_in = ordered_pairs(len(truth.cameras))
    caps = np.array([pixel_cap(truth.cameras[j]) for j in seen_in])[:, None, None]
    details = {}
    if motion.paired_truth is not None:
        details["pairing_floor"] = _median(pixel_error(motion.paired_truth, truth.points, truth.cameras), groups.mask)
    frames = groups.mask.any(axis=-1).sum(axis=-1)
    expected = groups.mask.shape[1]
    for p, name in enumerate(groups.names):
        value = _median(error[p], groups.mask[p]) if frames[p] else "no true point is visible in both views at once"
        yield motion.measurement_or_undefined(
            value, pair=name, n_scored=int(frames[p]), n_expected=expected, coverage=groups.coverage(p)
        )
    yield motion.measurement(
        _median(error, groups.mask),
        n_scored=int(frames.sum()),
        n_expected=expected * len(groups.names),
        coverage=groups.coverage(),
        cap=_median(np.broadcast_to(caps, error.shape), groups.mask),
        details=details,
    )
