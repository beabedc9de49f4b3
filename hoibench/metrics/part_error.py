"""hand_error, object_error: the mean distance of the predicted points of the hands, or of the objects, from the true ones.

Formula:    mean_v mean_n mean_k m min(D, |sP - X|)
Points:     P predicted, X true, camera space, metres; P in the order of X (``pairing``); s the alignment's scale (``alignment``); D the RMS distance
            of all true points to their centroid (``scene_size``).
Counted:    m: points of the two hands, or of tool and target, visible in the view in frame 0 and in frame n >= 1 (``TrueTracks.mask``).
Missing:    a point without a prediction is D away.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hoibench.clip import PARTS, Array, Camera, check_shape
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import NO_TRUE_POINT, PointSet, check_prediction_and_world, mean_of_means
from hoibench.metrics.true_tracks import scene_size, world_to_cameras
from hoibench.rigid_object import OBJECT_PARTS

HAND_PARTS = tuple(index for index in range(len(PARTS)) if index not in OBJECT_PARTS)
"""Indices of the two hands in ``PARTS``."""


def hand_error(
    pred: Array, world: Array, cameras: Sequence[Camera], part: Array, mask: Array, valid: Array | None = None
) -> float:
    """Return the mean distance, metres, of the predicted points of both hands from the true ones: over points, frames after the first, views.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned.
        world: (N, K, 3) true points, metres, world; all of them determine the scene's size D, the largest distance of a point.
        cameras: the V cameras.
        part: (K,) index of each point's part in ``hoibench.clip.PARTS``.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing: the point is D away.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point is not finite.
        Undefined: no such point counts in a frame after the first, or all true points coincide.

    >>> camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))
    >>> world = np.array([[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]] * 2)
    >>> pred = world[None] + np.array([[0.0, 0.0, 0.01], [0.0, 0.0, 0.2]])
    >>> arguments = pred, world, [camera], np.array([0, 2]), np.ones((1, 2, 2), dtype=bool)  # a point of the left hand, and one of the tool
    >>> round(hand_error(*arguments), 6), round(object_error(*arguments), 6)
    (0.01, 0.2)
    """
    return _part_error(pred, world, cameras, part, mask, valid, HAND_PARTS)


def object_error(
    pred: Array, world: Array, cameras: Sequence[Camera], part: Array, mask: Array, valid: Array | None = None
) -> float:
    """Return the mean distance, metres, of the predicted points of tool and target from the true ones; arguments and an example as ``hand_error``.

    >>> camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))
    >>> world = np.array([[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]] * 2)
    >>> round(object_error(world[None] + 0.01, world, [camera], np.array([2, 3]), np.ones((1, 2, 2), dtype=bool)), 6)
    0.017321
    """
    return _part_error(pred, world, cameras, part, mask, valid, OBJECT_PARTS)


def _part_error(
    pred: Array,
    world: Array,
    cameras: Sequence[Camera],
    part: Array,
    mask: Array,
    valid: Array | None,
    parts: Sequence[int],
) -> float:
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    check_shape("part", part, X.shape[1:2])
    error = _distance(points, world_to_cameras(X, cameras), scene_size(X))
    return mean_of_means(error, _of_parts(m, part, parts)).value


def _distance(pred: PointSet, truth: Array, size: float) -> Array:
    """Return |sP - X|, (V, N, K) metres, ``size`` for a missing point and at most."""
    distance = np.linalg.norm(pred.xyz - truth, axis=-1)
    return np.where(pred.valid, np.minimum(distance, size), size)


def _of_parts(mask: Array, part: Array, parts: Sequence[int]) -> Array:
    """Return a mask (V, N, K) restricted to some parts and to the frames after the first, which is given."""
    chosen: Array = mask & np.isin(part, parts)
    chosen[:, 0] = False
    return chosen


def measure_hand_error(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of hand_error@1 (m; lower is better; 0 or more): one per hand, one per view, then the clip's."""
    yield from _measure(case, HAND_PARTS)


def measure_object_error(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_error@1 (m; lower is better; 0 or more): one per object, one per view, then the clip's."""
    yield from _measure(case, OBJECT_PARTS)


def _measure(case: Case, parts: Sequence[int]) -> Iterator[Measurement]:
    motion = align_motion(case)
    truth, size = motion.truth, motion.truth.scene_size

    def error(pred: PointSet) -> Array:
        return _distance(pred, truth.points, size)

    errors = error(motion.pred)
    for index in parts:
        yield _measure_part(motion, errors, index)
    groups = PointGroups("view", truth.views, _of_parts(truth.mask, truth.part, parts), motion.pred.valid)
    yield from measure_groups(motion, groups, error, cap=size)


def _measure_part(motion: AlignedMotion, errors: Array, index: int) -> Measurement:
    mask = _of_parts(motion.truth.mask, motion.truth.part, [index])
    groups = PointGroups("view", motion.truth.views, mask, motion.pred.valid)
    if not mask.any():
        return motion.measurement_or_undefined(NO_TRUE_POINT, part=PARTS[index])
    means = mean_of_means(errors, mask)
    return motion.measurement(
        means.value,
        part=PARTS[index],
        n_scored=means.n_scored,
        n_expected=means.n_expected,
        coverage=groups.coverage(),
    )
