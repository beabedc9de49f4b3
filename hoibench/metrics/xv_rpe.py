"""xv_rpe, xv_pi: the disagreement between the views of one prediction, whatever the truth is.

Formula:    100 mean_ij mean_n [ sum_k m_i m_j min(e, 3) / sum_k m_i m_j ],  e = |W_i(sP_i) - W_j(sP_j)| / D, over ordered pairs of views i != j;
            xv_pi: the same means of 100 1(e < 0.25)
Points:     P_v predicted, camera space of view v, metres, in the order of the true points (``pairing``); s the alignment's scale (``alignment``);
            W_v(p) = R_v^T (p - t_v); D the RMS distance of all true points to their centroid (``scene_size``).
Counted:    m_i m_j: visible in both views in frame 0 and in frame n.
Missing:    e = 3, the largest error of an answer, if either view lacks the point.
Card:       cards/motion_across_views.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, NotApplicable
from hoibench.metrics.point_sets import PointSet, check_prediction_and_world, mean_of_means
from hoibench.metrics.rpe import SCENE_CAP, SCENE_THRESHOLD, capped_percent, inlier_percent
from hoibench.metrics.true_tracks import cameras_to_world, scene_size


def xv_rpe(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Return the cross-view disagreement, % of the scene's size: the mean distance in the world between two views' predictions of a point.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned, V at least 2.
        world: (N, K, 3) true points, metres; used for D only.
        cameras: the V cameras.
        mask: (V, N, K) bool, the true points that count; a pair counts the points true in both views.
        valid: (V, N, K) bool, false where a prediction is missing, which scores e = 3.  None means that all are valid.

    Raises:
        ValueError: shapes differ, there is one view, or a point is not finite.
        Undefined: no point counts in two views, or all true points coincide.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))] * 2
    >>> world = np.array([[[-0.5, 0.0, 1.0], [0.5, 0.0, 1.0]]])  # one frame, two points, scene size 0.5 m
    >>> pred = np.stack([world, world + np.array([0.0, 0.0, 0.05])])  # the second view is 5 cm off
    >>> round(xv_rpe(pred, world, cameras, np.ones((2, 1, 2), dtype=bool)), 6)
    10.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    error = disagreement_error(points, cameras, scene_size(X))
    return mean_of_means(capped_percent(error, SCENE_CAP), true_in_both_views(m)).value


def xv_pi(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Return the cross-view inliers, %: points with e < 0.25 (two views' predictions differ by under a quarter of the scene's size).

    Arguments, errors and the order of means are those of ``xv_rpe``.

    >>> cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))] * 2
    >>> world = np.array([[[-0.5, 0.0, 1.0], [0.5, 0.0, 1.0]]])
    >>> pred = np.stack([world, world + np.array([[0.0, 0.0, 0.05], [0.0, 0.0, 0.2]])])
    >>> xv_pi(pred, world, cameras, np.ones((2, 1, 2), dtype=bool))
    50.0
    """
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    error = disagreement_error(points, cameras, scene_size(X))
    return mean_of_means(inlier_percent(error, SCENE_THRESHOLD), true_in_both_views(m)).value


def ordered_pairs(views: int) -> tuple[list[int], list[int]]:
    """Return all ordered pairs (i, j), i != j, of view indices, as the list of i and the list of j.

    Raises:
        ValueError: there is one view only.
    """
    if views < 2:
        raise ValueError(f"cross-view metrics need at least two views, got {views}")
    pairs = list(permutations(range(views), 2))
    return [i for i, _ in pairs], [j for _, j in pairs]


def true_in_both_views(mask: Array) -> Array:
    """Return (V (V-1), N, K) bool, true where a (V, N, K) bool mask is true in both views of an ordered pair of views."""
    i, j = ordered_pairs(len(mask))
    both: Array = mask[i] & mask[j]
    return both


def disagreement_error(pred: PointSet, cameras: Sequence[Camera], size: float) -> Array:
    """Return e = |W_i(sP_i) - W_j(sP_j)| / D of each ordered pair of views (i, j), (V (V-1), N, K); infinite if either lacks the point.

    W_v moves a point from the space of camera v to the world.

    Args:
        pred: sP, (V, N, K, 3) predicted points, camera space, metres; point k is the same point in all views.
        cameras: the V cameras.
        size: D, the scene's size, metres.
    """
    i, j = ordered_pairs(len(cameras))
    world = cameras_to_world(pred.xyz, cameras)
    distance = np.linalg.norm(world[i] - world[j], axis=-1)
    return np.where(true_in_both_views(pred.valid), distance / size, np.inf)


def group_by_view_pair(motion: AlignedMotion) -> PointGroups:
    """Return one group per ordered pair of views, named ``i|j``; a true point counts in a frame if both views see it there and in frame 0.

    Raises:
        NotApplicable: there is one view only.
    """
    views = motion.truth.views
    if len(views) < 2:
        raise NotApplicable("the clip has only one view, so there is no pair of views to compare")
    names = tuple(f"{i}|{j}" for i, j in permutations(views, 2))
    return PointGroups("pair", names, true_in_both_views(motion.truth.mask), true_in_both_views(motion.pred.valid))


def measure_xv_rpe(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of xv_rpe@2 (%; lower is better; 0 to 300): one per ordered pair of views, then the clip's."""
    yield from _measure(align_motion(case), lambda error: capped_percent(error, SCENE_CAP))


def measure_xv_pi(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of xv_pi@1 (%; higher is better; 0 to 100): one per ordered pair of views, then the clip's."""
    yield from _measure(align_motion(case), lambda error: inlier_percent(error, SCENE_THRESHOLD))


def _measure(motion: AlignedMotion, to_percent: Callable[[Array], Array]) -> Iterator[Measurement]:
    truth = motion.truth
    yield from measure_groups(
        motion,
        group_by_view_pair(motion),
        lambda pred: to_percent(disagreement_error(pred, truth.cameras, truth.scene_size)),
        scene_size=truth.scene_size,
    )
