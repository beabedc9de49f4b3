"""xv_*: do the views of one prediction agree with each other, whatever the truth is?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, NotApplicable
from hoibench.metrics.point_sets import PointSet, check_points_and_world, mean_of_means
from hoibench.metrics.rpe import inlier_percent
from hoibench.metrics.true_tracks import cameras_to_world, scene_size

THRESHOLD = 0.25


def ordered_pairs(views: int) -> tuple[list[int], list[int]]:
    """All (i, j) with i != j, as the list of i and the list of j."""
    pairs = list(permutations(range(views), 2))
    return [i for i, _ in pairs], [j for _, j in pairs]


def true_in_both_views(mask: Array) -> Array:
    """(V, N, K) bool to (V (V-1), N, K): true in both views of each ordered pair."""
    i, j = ordered_pairs(len(mask))
    both: Array = mask[i] & mask[j]
    return both


def disagreement_error(answer: PointSet, cameras: Sequence[Camera], size: float) -> Array:
    """Disagreement e = |W_i(sP_i) - W_j(sP_j)| / D of each ordered pair, (V (V-1), N, K), and 1 where either view has no answer.

    Args:
        answer: (V, N, K, 3) camera space, metres; points pair through the truth's index.
        cameras: the V cameras.
        size: D, metres.
    """
    if len(cameras) < 2:
        raise ValueError("one view always agrees with itself: cross-view metrics need at least two cameras")
    i, j = ordered_pairs(len(cameras))
    world = cameras_to_world(answer.xyz, cameras)
    distance = np.linalg.norm(world[i] - world[j], axis=-1)
    return np.where(true_in_both_views(answer.valid), distance / size, 1.0)


def xv_rpe(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Cross-view disagreement, % of the scene's size: 100 mean_ij mean_n [ sum_k m e / sum_k m ], prediction against prediction.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned, V at least 2.
        world: (N, K, 3) true points, metres: they give D alone.
        cameras: the V cameras.
        mask: (V, N, K) bool, the truth's points that count; a pair counts those true in both views.
        valid: (V, N, K) bool, where there is a prediction; e = 1 where either view has none.  None means everywhere.

    Raises:
        ValueError: shapes differ, there is one view, or a point is not finite.
        Undefined: no point counts in two views, or all true points coincide.
    """
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    return mean_of_means(100.0 * disagreement_error(answer, cameras, scene_size(X)), true_in_both_views(m)).value


def xv_pi(pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None = None) -> float:
    """Cross-view inliers, %: the same means of 1(e < 0.25), strictly; arguments as ``xv_rpe``."""
    answer, X, m = check_points_and_world(pred, world, mask, valid)
    error = disagreement_error(answer, cameras, scene_size(X))
    return mean_of_means(inlier_percent(error, THRESHOLD), true_in_both_views(m)).value


def group_by_view_pair(motion: AlignedMotion) -> PointGroups:
    """Every ordered pair of views, named ``i|j``, its points visible in both in frame 0 and now.

    Raises:
        NotApplicable: there is one view only.
    """
    views = motion.truth.views
    if len(views) < 2:
        raise NotApplicable("the clip has one view, and so no pairs")
    names = tuple(f"{i}|{j}" for i, j in permutations(views, 2))
    return PointGroups("pair", names, true_in_both_views(motion.truth.mask), true_in_both_views(motion.answer.valid))


def measure_xv_rpe(case: Case) -> Iterator[Measurement]:
    """xv_rpe@1."""
    yield from _report(align_motion(case), lambda error: 100.0 * error)


def measure_xv_pi(case: Case) -> Iterator[Measurement]:
    """xv_pi@1."""
    yield from _report(align_motion(case), lambda error: inlier_percent(error, THRESHOLD))


def _report(motion: AlignedMotion, read: Callable[[Array], Array]) -> Iterator[Measurement]:
    truth = motion.truth
    size = scene_size(truth.world)
    yield from measure_groups(
        motion,
        group_by_view_pair(motion),
        lambda answer: read(disagreement_error(answer, truth.cameras, size)),
        scene_size=size,
    )
