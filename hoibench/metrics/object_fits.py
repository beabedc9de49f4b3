"""Object fits: per view, object and frame, the rigid motion from the object's true shape at frame 0 to its predicted points.

Formula:    R, t minimise sum_k m min(D, |R x_k + t - sP_k[n]|)^2, det R = +1;  x_k = X_k[0], the true points at frame 0 in the world (``rigid_fit``).
            Without points that are far off this is the least-squares fit; else it is the better one of that and of a fit without them.
Points:     P predicted, camera space, metres; P in the order of X (``pairing``); s the alignment's scale (``alignment``).
Counted:    m: points of the tool or the target, visible in the view in frame 0 and in frame n >= 1 (``TrueTracks.mask``).  Whether a set of
            points (a view, an object and a frame) is fitted is decided from the truth alone, see ``MIN_POINTS``; the others are left out and counted.
Missing:    the points with predictions are fitted; ``ObjectFits.coverage`` is their share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hoibench.clip import PARTS, Array, check_mask, check_shape
from hoibench.metrics.aligned_motion import AlignedMotion, align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.point_sets import Means, PointSet, mask_points, mean_of_means
from hoibench.metrics.rigid_fit import RigidFits, fit_rigid
from hoibench.metrics.true_tracks import TrueTracks
from hoibench.rigid_object import OBJECT_PARTS

MIN_POINTS = 6
"""Fewest true points of a set that is fitted."""
MIN_SPREAD = 0.01
"""Metres: smallest RMS extent of such a set along its second axis; a narrower one does not show a turn about the first."""
MIN_TOTAL_SPREAD = MIN_SPREAD * np.sqrt(20.0)
"""Metres: smallest square root of the number of its points times that extent; at the bound, errors of 1 cm turn the fit by about 13 degrees."""

ROUNDS = 3
"""Fits to the points that are near the fit before."""

TOO_FEW_POINTS = "no object has enough true points, in any frame after the first, that are visible there and in frame 0"


@dataclass(frozen=True, eq=False)
class ObjectFits:
    """Fits of the O = 2 objects, in the order of ``OBJECT_PARTS``, in V views and N frames.

    Attributes:
        shape: for each object, the positions (K_o, 3) of all its true points at frame 0, in the world, metres.
        counted: (V, O, N) bool, true where the true points determine a fit; everything else only has a meaning there.
        coverage: (V, O, N) share of the counted true points that have a prediction, 0 to 1.
        motion: the fits, (V, O, N): from the world at frame 0 to camera space at frame n.
        residual: (V, O, N) RMS distance between the moved shape and the predicted points, metres; a point without a prediction is as far off as the
            scene's size D, and none farther.
    """

    shape: tuple[Array, ...]
    counted: Array
    coverage: Array
    motion: RigidFits
    residual: Array

    def with_missing(self, error: Array, cap: float) -> Array:
        """Return an error (V, O, N) of the fits, bounded by ``cap``, which is the error of a missing point, averaged over the counted points."""
        bounded = np.where(self.motion.determined, np.minimum(error, cap), cap)
        averaged: Array = self.coverage * bounded + (1.0 - self.coverage) * cap
        return averaged

    def motion_of(self, o: int) -> RigidFits:
        """Return the fits (V, N) of the object with index o."""
        return RigidFits(self.motion.R[:, o], self.motion.t[:, o], self.motion.determined[:, o])


def fit_objects(points: PointSet, world: Array, part: Array, mask: Array, size: float) -> ObjectFits:
    """Fit each object's true shape at frame 0 to its points in each view and frame.

    Args:
        points: the points to fit to, (V, N, K, 3) metres, camera space, already aligned.
        world: (N, K, 3) true points, metres, world.
        part: (K,) index of each point's part in ``PARTS``.
        mask: (V, N, K) bool, the true points that count.
        size: D, the scene's size in metres, the largest distance in ``residual`` and that of a missing point.

    Raises:
        ValueError: shapes differ, or ``mask`` is not bool.
    """
    check_shape("world", world, points.xyz.shape[1:])
    check_shape("part", part, points.xyz.shape[2:3])
    check_mask("mask", mask, points.valid.shape)
    fits = [_fit_object(points, world[0], mask, np.flatnonzero(part == index), size) for index in OBJECT_PARTS]
    stacked = [np.stack(arrays, axis=1) for arrays in zip(*fits, strict=True)]
    counted, coverage, residual, *motion = stacked
    shape = tuple(world[0, part == index] for index in OBJECT_PARTS)
    return ObjectFits(shape, counted, coverage, RigidFits(*motion), residual)


def _fit_object(points: PointSet, first: Array, mask: Array, own: Array, size: float) -> tuple[Array, ...]:
    """Return counted, coverage and residual, (V, N), of the points with indices ``own``, and R, t and determined of their fits."""
    shape, expected = first[own], mask[..., own]
    target, found = points.xyz[..., own, :], expected & points.valid[..., own]
    fits = fit_capped(shape, target, found, size)
    number = expected.sum(axis=-1)
    coverage = np.divide(found.sum(axis=-1), number, out=np.zeros(number.shape), where=number > 0)
    square = _capped_squares(fits, shape, target, found, size)
    mean_square = np.where(expected, square, 0.0).sum(axis=-1) / np.maximum(number, 1)
    return can_be_fitted(shape, expected), coverage, np.sqrt(mean_square), fits.R, fits.t, fits.determined


def fit_capped(shape: Array, target: Array, found: Array, cap: float) -> RigidFits:
    """Fit a shape (K, 3) to the points (V, N, K, 3) that are ``found`` (V, N, K), so that no point counts as farther than ``cap`` metres.

    Else one point that is far off would cost more than leaving it out.
    """
    fits = fit_rigid(shape, target, found)
    off = found & (np.square(fits.apply(shape) - target).sum(axis=-1) > (cap / 2.0) ** 2)
    sets = off.any(axis=-1)
    if sets.any():
        _replace_where_better(fits, sets, shape, target, found, cap)
    return fits


def _replace_where_better(fits: RigidFits, sets: Array, shape: Array, target: Array, found: Array, cap: float) -> None:
    """Replace the fits of these sets, to all points that were found, by those to the near ones, where their capped distances are smaller."""
    target, found = target[sets], found[sets]
    first = RigidFits(fits.R[sets], fits.t[sets], fits.determined[sets])
    # A rigid motion keeps the distances of points from their median, about; begin with the half of the points that agree best.
    own, moved = (_distance_from_median(points, found) for points in (np.broadcast_to(shape, target.shape), target))
    change = np.where(found, np.abs(moved - own), np.nan)
    kept = change <= np.nanmedian(change, axis=-1, keepdims=True)
    for _ in range(ROUNDS):
        near = fit_rigid(shape, target, kept)
        kept = found & (np.square(near.apply(shape) - target).sum(axis=-1) < cap**2)
    cost, other = (_capped_squares(each, shape, target, found, cap).sum(axis=-1) for each in (first, near))
    better = near.determined & (other < cost)
    for name in ("R", "t", "determined"):
        new, old = getattr(near, name), getattr(first, name)
        getattr(fits, name)[sets] = np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _capped_squares(fits: RigidFits, shape: Array, target: Array, found: Array, cap: float) -> Array:
    """Return the squared distances (..., K) of the moved shape from the targets, ``cap`` squared where not found and at most."""
    return np.where(found, np.minimum(np.square(fits.apply(shape) - target).sum(axis=-1), cap**2), cap**2)


def _distance_from_median(points: Array, mask: Array) -> Array:
    """Return the distances (..., K) of points (..., K, 3) from the median, per axis, of those of the mask, which has one in each set."""
    median = np.nanmedian(np.where(mask[..., None], points, np.nan), axis=-2, keepdims=True)
    distance: Array = np.linalg.norm(points - median, axis=-1)
    return distance


def can_be_fitted(shape: Array, mask: Array) -> Array:
    """Return (V, N) bool, true for the sets of points (mask (V, N, K) of shape (K, 3)) that determine a fit; never in frame 0, which is given."""
    number = mask.sum(axis=-1)
    weight = mask[..., None] / np.maximum(number, 1)[..., None, None]
    centred = shape - (weight * shape).sum(axis=-2, keepdims=True)
    second = np.linalg.eigvalsh((weight * centred).mT @ centred)[..., 1]  # of three, in ascending order
    extent = np.sqrt(np.maximum(second, 0.0))
    enough: Array = (number >= MIN_POINTS) & (extent >= MIN_SPREAD) & (np.sqrt(number) * extent >= MIN_TOTAL_SPREAD)
    enough[:, 0] = False
    return enough


def object_means(error: Array, counted: Array) -> Means:
    """Average an error (V, O, N) where ``counted``: over frames, then the objects, then the views.

    Raises:
        Undefined: no object can be fitted in any view and frame after the first.
    """
    if not counted.any():
        raise Undefined(TOO_FEW_POINTS)
    return mean_of_means(error, counted)


def get_object_fits(case: Case) -> ObjectFits:
    """Return the fits to a case's aligned prediction; computed once per case.  Raises the errors of ``align_motion``."""
    motion = align_motion(case)
    return case.memoize("object fits", lambda: _fit_motion(motion.truth, motion.pred))


def get_true_object_fits(case: Case) -> ObjectFits:
    """Return the fits to a clip's true points, of the sets that count in this case.  Raises the errors of ``align_motion``."""
    truth = align_motion(case).truth
    key = ("true object fits", truth.edges_count)
    return case.memoize_for_clip(key, lambda: _fit_motion(truth, mask_points(truth.points, truth.mask)))


def _fit_motion(truth: TrueTracks, points: PointSet) -> ObjectFits:
    return fit_objects(points, truth.world, truth.part, truth.mask, truth.scene_size)


FitError = Callable[[ObjectFits], Array]
"""A function from the fits to the error of each, (V, O, N), missing points included."""


def measure_objects(case: Case, error: FitError, cap: float | None, **details: Any) -> Iterator[Measurement]:
    """Yield the mean error of the fits of each view, of each object, then of the clip.

    Args:
        case: a prediction and its clip.
        error: computes the error of each fit.
        cap: the value of a prediction without an answer, if the metric's card does not give it as a number.
        details: entries of the clip's ``details``.  Unless pairing is exact, ``pairing_floor`` is added: the error that the pairing alone causes.

    Raises:
        Undefined: no object can be fitted in any view and frame after the first.
    """
    motion, fits = align_motion(case), get_object_fits(case)
    errors, counted = error(fits), fits.counted
    means = object_means(errors, counted)
    for v, view in enumerate(motion.truth.views):
        yield _place_measurement(motion, fits, errors, (slice(v, v + 1), slice(None)), view=view)
    for o, index in enumerate(OBJECT_PARTS):
        yield _place_measurement(motion, fits, errors, (slice(None), slice(o, o + 1)), part=PARTS[index])
    if motion.paired_truth is not None:
        floor = error(_fit_motion(motion.truth, motion.paired_truth))
        details["pairing_floor"] = object_means(floor, counted).value
    yield motion.measurement(means.value, cap=cap, details=details, **_counts(fits, (slice(None), slice(None))))


def _place_measurement(
    motion: AlignedMotion, fits: ObjectFits, errors: Array, place: tuple[slice, slice], **name: str
) -> Measurement:
    counted = fits.counted[place]
    value = mean_of_means(errors[place], counted).value if counted.any() else TOO_FEW_POINTS
    return motion.measurement_or_undefined(value, **name, **_counts(fits, place))


def _counts(fits: ObjectFits, place: tuple[slice, slice]) -> dict[str, Any]:
    """Return the numbers of fits that count and that would if all true points were visible, and the mean coverage, in some views and objects."""
    counted = fits.counted[place]
    return {
        "n_scored": int(counted.sum()),
        "n_expected": counted[..., 1:].size,
        "coverage": float(fits.coverage[place][counted].mean()) if counted.any() else None,
    }
