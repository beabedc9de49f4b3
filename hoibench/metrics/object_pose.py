"""object_rotation, object_translation, object_add: the error of the motion of each object, as one body.

Formula:    mean_v mean_o mean_n e, e the error of F, the best rigid motion of the object's true shape to its predicted points, against F*, that to
            its true ones (``object_fits``): the angle of the rotation from R* to R, in degrees, for an axially symmetric object that between its
            moved axes; |F c - F* c|, c the centroid of all its true points; object_add: mean_k |F x_k - F* x_k| over all its true points x.
Points:     P predicted, camera space, metres; P in the order of X (``pairing``); s the alignment's scale (``alignment``).
Counted:    sets of points that determine a fit (``object_fits``).
Missing:    e is averaged over the points that count, of which one without a prediction has e = 180 degrees or D, the RMS distance of all true points
            to their centroid (``scene_size``); so have all if their predictions do not determine a rotation.  No e is larger.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hoibench.clip import PARTS, Array, Camera, check_shape
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Measurement, NotApplicable
from hoibench.metrics.object_fits import (
    FitError,
    ObjectFits,
    fit_objects,
    get_true_object_fits,
    measure_objects,
    object_means,
)
from hoibench.metrics.point_sets import check_prediction_and_world, mask_points
from hoibench.metrics.rigid_fit import axis_angle, rotation_angle
from hoibench.metrics.true_tracks import scene_size, world_to_cameras
from hoibench.rigid_object import OBJECT_PARTS

HALF_TURN = 180.0
"""Degrees: the largest error of a rotation, and that of a missing answer."""

Axes = Sequence[Array | None]
"""For the tool and the target, the axis of symmetry (3,) in the world at frame 0, a unit vector; None for an object without one."""

NO_AXES: Axes = (None, None)


def object_rotation(
    pred: Array,
    world: Array,
    cameras: Sequence[Camera],
    part: Array,
    mask: Array,
    valid: Array | None = None,
    axes: Axes = NO_AXES,
) -> float:
    """Return the mean angle, degrees, by which the motion of tool and target from frame 0 differs from the true one: over frames, objects, views.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned.
        world: (N, K, 3) true points, metres, world; all of them determine the scene's size D.
        cameras: the V cameras.
        part: (K,) index of each point's part in ``hoibench.clip.PARTS``; hands are ignored.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.
        axes: axes of symmetry of tool and target, whose turn about them does not count.

    Raises:
        ValueError: shapes differ, or a point is not finite.
        Undefined: no object has enough points in any frame after the first, or all true points coincide.

    >>> camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))
    >>> shape = np.array([[x, y, 1.0 + z] for x in (-0.1, 0.1) for y in (-0.05, 0.05) for z in (-0.05, 0.05)])
    >>> turned = np.stack([-shape[:, 1], shape[:, 0], shape[:, 2]], axis=-1)  # about z
    >>> arguments = np.stack([[shape, turned]]), np.stack([shape, shape]), [camera], np.full(8, 2), np.ones((1, 2, 8), dtype=bool)
    >>> round(object_rotation(*arguments), 6), round(object_rotation(*arguments, axes=(np.array([0.0, 0, 1]), None)), 6)
    (90.0, 0.0)
    """
    fits, true = _fit_arrays(pred, world, cameras, part, mask, valid)
    return object_means(_rotation_error(true, axes)(fits), fits.counted).value


def object_translation(
    pred: Array, world: Array, cameras: Sequence[Camera], part: Array, mask: Array, valid: Array | None = None
) -> float:
    """Return the mean distance, metres, between the moved centroids of tool and target and the true ones; arguments as ``object_rotation``.

    >>> camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))
    >>> shape = np.array([[x, y, 1.0 + z] for x in (-0.1, 0.1) for y in (-0.05, 0.05) for z in (-0.05, 0.05)])
    >>> turned = np.stack([-shape[:, 1], shape[:, 0], shape[:, 2] + 0.02], axis=-1)
    >>> arguments = np.stack([[shape, turned]]), np.stack([shape, shape]), [camera], np.full(8, 2), np.ones((1, 2, 8), dtype=bool)
    >>> round(object_translation(*arguments), 6), round(object_add(*arguments), 6)
    (0.02, 0.122474)
    """
    fits, true = _fit_arrays(pred, world, cameras, part, mask, valid)
    return object_means(_translation_error(true, scene_size(world))(fits), fits.counted).value


def object_add(
    pred: Array, world: Array, cameras: Sequence[Camera], part: Array, mask: Array, valid: Array | None = None
) -> float:
    """Return ADD, metres: the mean distance between all points of tool and target, moved as predicted and as in truth.

    Arguments as ``object_rotation``, and an example in ``object_translation``.

    Source: the average distance of model points (Hinterstoisser et al., ACCV 2012), of the true tracked points.

    >>> camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))
    >>> shape = np.array([[x, y, 1.0 + z] for x in (-0.1, 0.1) for y in (-0.05, 0.05) for z in (-0.05, 0.05)])
    >>> pred, everywhere = np.stack([[shape, shape + np.array([0.0, 0.03, 0.04])]]), np.ones((1, 2, 8), dtype=bool)
    >>> round(object_add(pred, np.stack([shape, shape]), [camera], np.full(8, 2), everywhere), 6)
    0.05
    """
    fits, true = _fit_arrays(pred, world, cameras, part, mask, valid)
    return object_means(_point_error(true, scene_size(world))(fits), fits.counted).value


def _fit_arrays(
    pred: Array, world: Array, cameras: Sequence[Camera], part: Array, mask: Array, valid: Array | None
) -> tuple[ObjectFits, ObjectFits]:
    """Check the arguments, and return the fits to the predicted points and to the true ones."""
    points, X, m = check_prediction_and_world(pred, world, cameras, mask, valid)
    check_shape("part", part, X.shape[1:2])
    truth, size = mask_points(world_to_cameras(X, cameras), m), scene_size(X)
    return fit_objects(points, X, part, m, size), fit_objects(truth, X, part, m, size)


def _rotation_error(true: ObjectFits, axes: Axes) -> FitError:
    def error(fits: ObjectFits) -> Array:
        R, R_true = fits.motion.R, true.motion.R
        angle = rotation_angle(R, R_true)
        for o, axis in enumerate(axes):
            if axis is not None:
                angle[:, o] = axis_angle(R[:, o] @ axis, R_true[:, o] @ axis)
        return fits.with_missing(angle, HALF_TURN)

    return error


def _translation_error(true: ObjectFits, size: float) -> FitError:
    return _moved_error(true, size, lambda shape: shape.mean(axis=0, keepdims=True))


def _point_error(true: ObjectFits, size: float) -> FitError:
    return _moved_error(true, size, lambda shape: shape)


def _moved_error(true: ObjectFits, size: float, choose: Callable[[Array], Array]) -> FitError:
    """Return the error of fits: the mean distance between points of a shape, those that ``choose`` returns, moved as predicted and as in truth."""

    def error(fits: ObjectFits) -> Array:
        distance = np.zeros(fits.counted.shape)
        for o, shape in enumerate(fits.shape):
            if len(shape):
                points = choose(shape)
                moved, expected = (each.motion_of(o).apply(points) for each in (fits, true))
                distance[:, o] = np.linalg.norm(moved - expected, axis=-1).mean(axis=-1)
        return fits.with_missing(distance, size)

    return error


def measure_object_rotation(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_rotation@1 (degrees; lower is better; 0 to 180): one per view, one per object, then the clip's.

    Raises:
        NotApplicable: the clip does not have its true objects.
    """
    axes = _find_axes(case)
    symmetric = [index for index, axis in zip(OBJECT_PARTS, axes, strict=True) if axis is not None]
    details = {"axially_symmetric": [PARTS[index] for index in symmetric]}
    yield from measure_objects(case, _rotation_error(get_true_object_fits(case), axes), cap=None, **details)


def measure_object_translation(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_translation@1 (m; lower is better; 0 or more): one per view, one per object, then the clip's."""
    size = align_motion(case).truth.scene_size
    yield from measure_objects(case, _translation_error(get_true_object_fits(case), size), cap=size)


def measure_object_add(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_add@1 (m; lower is better; 0 or more): one per view, one per object, then the clip's."""
    size = align_motion(case).truth.scene_size
    yield from measure_objects(case, _point_error(get_true_object_fits(case), size), cap=size)


def _find_axes(case: Case) -> Axes:
    """Return the axes of symmetry of a clip's objects, in the world at frame 0."""
    objects = case.clip.objects
    if objects is None:
        raise NotApplicable(MISSING_INPUT["truth.objects"])
    found = {rigid.part: rigid.R[0] @ rigid.symmetry_axis for rigid in objects if rigid.symmetry_axis is not None}
    return tuple(found.get(index) for index in OBJECT_PARTS)
