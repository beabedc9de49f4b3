"""Distances of hands from objects: the least signed distance of a hand's points from an object's true mesh, in truth and prediction.

In the truth, the mesh is at its true pose.  In a prediction, it is where the rigid fit from the object's true points to the predicted ones places it:
contact is then judged with the surface between the tracked points, too, and with the true size of the object.  Hidden points of hands and
objects count: a hand that is seen from above touches from below, and of a thin tool, a view sees too few points for a fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import PARTS, Array, check_mask, check_shape
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, NotApplicable, Undefined
from hoibench.metrics.mesh_distance import distance_to_mesh, signed_distance_to_mesh
from hoibench.metrics.point_sets import PointSet
from hoibench.metrics.rigid_fit import fit_rigid
from hoibench.metrics.true_tracks import TrueTracks
from hoibench.rigid_object import RigidObject

CONTACT = 0.005
"""Metres: largest distance from an object at which a hand touches it."""
DEPTH_CAP = 0.05
"""Metres: the largest error of a distance in a true contact, and that of a missing answer."""
LEAST_POINTS = 20
"""Fewest points of an object that is fitted: errors of 1 cm of the points then move its surface by 2 cm / √20, or 4.5 mm, whatever its extent."""
LEAST_SPREAD = 0.001
"""Metres: smallest RMS extent of these points along their second axis: on a line, they do not show a turn about it."""
LEAST_COVERAGE = 0.25
"""Least share of an object's points that need a prediction in a frame, about what a view sees of it."""

HANDS = (PARTS.index("left hand"), PARTS.index("right hand"))


def least_distances(points: Array, valid: Array, rigid: RigidObject, R: Array, t: Array, limit: Array) -> Array:
    """Return the least signed distance of points from an object in each of M poses, (M,) metres, negative inside; infinity where over ``limit``.

    It is infinite, too, where no point is valid.  For an object that is not watertight, the distance is unsigned.

    Args:
        points: (M, P, 3) metres, one set of points for each pose.
        valid: (M, P) bool, the points that count.
        rigid: the object; its own poses are not used.
        R: (M, 3, 3) rotations from the object's frame to that of the points.
        t: (M, 3) translations, metres.
        limit: (M,) metres; distances over it are not computed.

    Raises:
        ValueError: a shape is wrong, or the mask is not bool.

    >>> from hoibench.rigid_object import OBJECT_PARTS
    >>> corners = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    >>> faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> pose = {"R": np.eye(3)[None], "t": np.array([[0.0, 0.0, 1.0]])}
    >>> pyramid = RigidObject(OBJECT_PARTS[0], corners, faces, **pose)
    >>> finger = np.array([[[0.01, 0.01, 0.97], [0.01, 0.01, 0.99]]])
    >>> least_distances(finger, np.ones((1, 2), dtype=bool), pyramid, **pose, limit=np.array([0.05])).round(6).tolist()
    [0.01]
    """
    check_shape("points", points, ("M", "P", 3))
    check_mask("valid", valid, points.shape[:2])
    check_shape("R", R, (len(points), 3, 3))
    check_shape("t", t, (len(points), 3))
    check_shape("limit", limit, (len(points),))
    measure = signed_distance_to_mesh if rigid.watertight else distance_to_mesh
    in_object_frame = (points - t[:, None]) @ R
    distances = np.full(valid.shape, np.inf)
    limits = np.broadcast_to(limit[:, None], valid.shape)[valid]
    distances[valid] = measure(in_object_frame[valid], rigid.vertices, rigid.faces, limits)
    least: Array = distances.min(axis=1, initial=np.inf)
    return least


@dataclass(frozen=True, eq=False)
class HandDistances:
    """Signed distances of hands from objects, for C pairs of both, in truth and prediction.

    Attributes:
        closed: (C,) bool, true where the object's mesh is watertight.
        truth: (N, C) metres; infinite where it is over ``CONTACT``.
        pred: (V, N, C) metres, computed where ``mask`` is true.  It is NaN without a fit of the object or a point of the hand, and infinite where it
            is so large that its size does not matter.
        mask: (N, C) bool, true in frames 1 to N-1 where the recording has hand and object, and the object's true points determine a fit.
        residual: (V, N, C) metres, RMS residual of the object's fit to its predicted points; a missing one is D away, the scene's size.
        coverage: share of the recorded points of hands with a prediction, 0 to 1.
    """

    closed: Array
    truth: Array
    pred: Array
    mask: Array
    residual: Array
    coverage: float


def measure_hand_distances(case: Case) -> HandDistances:
    """Return the distances of hands from objects in the truth and in the prediction of a case; computed once per case.

    Raises:
        NotApplicable: points are not paired by query, or the method predicts no hidden point of a hand.
        Undefined: the clip has no hand or no object.
        NoValue: see ``align_motion``.
    """
    return case.memoize("hand distances", lambda: _measure_hand_distances(case))


def _measure_hand_distances(case: Case) -> HandDistances:
    motion = align_motion(case)
    truth, pred = motion.truth, motion.pred
    hands = [own for hand in HANDS if (own := np.flatnonzero(truth.part == hand)).size]
    if case.clip.objects is None:
        raise NotApplicable(MISSING_INPUT["truth.objects"])
    objects = [rigid for rigid in case.clip.objects if (truth.part == rigid.part).any()]
    if motion.pairing != "query":
        raise NotApplicable(f"the pairing is {motion.pairing}; only query pairs the hidden points of hands")
    if not hands or not objects:
        raise Undefined("the clip has no points of hands" if objects else "the clip has no object")
    of_hands = np.concatenate(hands)
    hidden = (truth.recorded & ~truth.visible)[..., of_hands]
    if hidden.any() and not (hidden & pred.valid[..., of_hands]).any():
        raise NotApplicable(
            "the method predicts no hidden points of hands, without which contacts from above are missed"
        )
    true_distances = case.memoize_for_clip("true hand distances", lambda: _true_distances(truth, hands, objects))
    placed = [place_object(pred, truth, rigid) for rigid in objects]
    pairs = [(hand, each) for each in placed for hand in hands]
    mask = np.stack([truth.recorded[:, hand].all(axis=-1) & each.counted for hand, each in pairs], axis=-1)
    mask[0] = False
    expected = np.broadcast_to(truth.recorded, pred.valid.shape)[..., of_hands]
    return HandDistances(
        closed=np.array([each.rigid.watertight for _, each in pairs]),
        truth=true_distances,
        pred=np.stack(
            [_distances(pred, *pair, mask[:, c], true_distances[:, c]) for c, pair in enumerate(pairs)], axis=-1
        ),
        mask=mask,
        residual=np.stack([each.residual for _, each in pairs], axis=-1),
        coverage=float(pred.valid[..., of_hands][expected].mean()),
    )


def _true_distances(truth: TrueTracks, hands: Sequence[Array], objects: Sequence[RigidObject]) -> Array:
    """Return the true distances of all pairs, (N, C) metres, object by object; infinite over ``CONTACT``."""
    limit, distances = np.full(len(truth.world), CONTACT), []
    for rigid in objects:
        for hand in hands:
            points = truth.world[:, hand]
            everywhere = np.ones(points.shape[:2], dtype=bool)
            distances.append(least_distances(points, everywhere, rigid, rigid.R, rigid.t, limit))
    return np.stack(distances, axis=-1)


@dataclass(frozen=True, eq=False)
class PlacedObject:
    """An object where rigid fits to its predicted points place it, in each view and frame, in camera space.

    Attributes:
        rigid: the object.
        R, t: (V, N, 3, 3) and (V, N, 3) metres, from the object's frame to camera space.
        residual: (V, N) RMS distance between the placed and the predicted points, metres; D for a missing one (``TrueTracks.scene_size``).
        answered: (V, N) bool, false where too few points are predicted to place it.
        counted: (N,) bool, true where the object is recorded, in all frames or none if its true points do not determine a fit.
    """

    rigid: RigidObject
    R: Array
    t: Array
    residual: Array
    answered: Array
    counted: Array


def place_object(pred: PointSet, truth: TrueTracks, rigid: RigidObject) -> PlacedObject:
    """Fit an object to all of its predicted points, hidden ones included, in each view and frame."""
    own = np.flatnonzero(truth.part == rigid.part)
    shape = (truth.world[0, own] - rigid.t[0]) @ rigid.R[0]
    recorded, points = truth.recorded[:, own], pred.xyz[..., own, :]
    found = pred.valid[..., own] & recorded
    fits = fit_rigid(shape, points, found)
    square = np.square(fits.apply(shape) - points).sum(axis=-1)
    square = np.where(found, np.minimum(square, truth.scene_size**2), truth.scene_size**2)
    residual = np.sqrt(np.where(recorded, square, 0.0).sum(axis=-1) / np.maximum(recorded.sum(axis=-1), 1))
    second_extent = np.linalg.svd(shape - shape.mean(axis=0), compute_uv=False)[1] / np.sqrt(len(own))
    can_be_fitted = len(own) >= LEAST_POINTS and bool(second_extent >= LEAST_SPREAD)
    counted: Array = np.logical_and(recorded.all(axis=-1), can_be_fitted)
    answered = fits.determined & (found.mean(axis=-1) >= LEAST_COVERAGE)
    return PlacedObject(rigid, fits.R, fits.t, residual, answered, counted)


def _distances(pred: PointSet, hand: Array, placed: PlacedObject, mask: Array, truth: Array) -> Array:
    """Return the predicted distances of a pair where its ``mask`` (N,) is true: (V, N) metres, NaN without an answer.

    They are computed as far as they matter: beyond ``CONTACT`` only where ``truth`` (N,) is a contact, and up to an error of ``DEPTH_CAP``.
    """
    valid = pred.valid[..., hand]
    answered = mask & placed.answered & valid.any(axis=-1)
    limit = np.broadcast_to(np.where(truth <= CONTACT, CONTACT + DEPTH_CAP, CONTACT), answered.shape)
    distances = np.full(answered.shape, np.nan)
    distances[answered] = least_distances(
        pred.xyz[..., hand, :][answered],
        valid[answered],
        placed.rigid,
        placed.R[answered],
        placed.t[answered],
        limit[answered],
    )
    return distances
