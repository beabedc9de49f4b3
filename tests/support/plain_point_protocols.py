"""The public evaluations of two point-map methods, restated from their descriptions: whole maps of one video, one value per video.

(T, H, W, 3) camera-space maps ``pred`` and ``truth``, and (T, H, W) bool ``mask``.  Both give (mean relative error, share of inliers).
"""

import numpy as np

MIN_NORM = 0.01
INLIER = 0.25


def geometrycrafter(pred, truth, mask):
    """One factor for the video, by least squares over all coordinates of the mask (TencentARC/GeometryCrafter:evaluation, without --use_weight)."""
    coordinates = pred[mask].reshape(-1, 1)
    factor = np.linalg.lstsq(coordinates, truth[mask].reshape(-1), rcond=None)[0][0]
    return _relative_error_and_inliers(factor * pred, truth, mask)


def motioncrafter(pred, truth, mask, camera_to_world):
    """One factor and one shift for the video in camera space, then both maps in the world of frame 0's camera (TencentARC/MotionCrafter:evaluation).

    ``camera_to_world`` is (T, 4, 4) in any world; the evaluation is that of camera-space predictions with the true poses, without --use_weight.
    """
    first_from_camera = np.linalg.inv(camera_to_world[0]) @ camera_to_world
    aligned = scale_and_shift(pred, pred[mask], truth[mask])
    return _relative_error_and_inliers(_move(aligned, first_from_camera), _move(truth, first_from_camera), mask)


def scale_and_shift(points, pred, truth):
    """Return s ``points`` + t with s and t fitted to (P, 3) points as the four unknowns of one linear system."""
    system = np.concatenate([pred.reshape(-1, 1), np.tile(np.eye(3), (len(pred), 1))], axis=1)
    s, *t = np.linalg.lstsq(system, truth.reshape(-1), rcond=None)[0]
    return s * points + np.array(t)


def _move(maps, poses):
    homogeneous = np.concatenate([maps, np.ones((*maps.shape[:-1], 1))], axis=-1)
    return np.stack([(frame @ pose.T)[..., :3] for frame, pose in zip(homogeneous, poses, strict=True)])


def _relative_error_and_inliers(pred, truth, mask):
    errors, inliers = [], []
    for frame in range(len(mask)):
        p, x = pred[frame][mask[frame]], truth[frame][mask[frame]]
        relative = np.sqrt(((p - x) ** 2).sum(axis=1)) / np.maximum(np.sqrt((x**2).sum(axis=1)), MIN_NORM)
        errors.append(relative.mean())
        inliers.append((relative < INLIER).mean())
    return np.mean(errors), np.mean(inliers)
