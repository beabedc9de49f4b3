"""contact_accuracy, contact_depth_error: whether hands touch the objects when they do in truth, and how near or deep they are then.

Formula:    contact_accuracy = [ share of the true contacts that the prediction has + share of the others that it does not have ] / 2;
            contact_depth_error = mean over the true contacts of min(5 cm, |d(sP) - d(X)|), metres.  A contact: d <= 5 mm; d: the least signed
            distance of a hand's points from an object's true mesh, negative inside (``hand_distance``).
Points:     P predicted, X true, camera space, metres; P in the order of X (``pairing``, query only); s the alignment's scale (``alignment``).
            All points of hands and objects, hidden ones included; for P, the mesh is where the rigid fit to the object's points places it.
Counted:    all views; frames 1 to N-1 and pairs of a hand and an object that are recorded, of objects whose true points determine a fit;
            contact_depth_error: the true contacts with watertight meshes.
Missing:    without a point of the hand, or under a quarter of the object's points: wrong, and 5 cm.  A fit with a residual over 1 cm, a missing
            point of the object being D away, the scene's size: wrong.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, check_mask, check_shape
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.hand_distance import CONTACT, DEPTH_CAP, measure_hand_distances
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.point_sets import pooled_mean

LARGEST_RESIDUAL = 0.01
"""Metres: RMS residual of an object's fit above which its points have no shape that a hand could touch."""
LEAST_SHARE = 0.1
"""Share of frames and pairs that true contacts, and the others, must each have at least: with fewer, a few frames decide."""
NO_CONTACT = "no hand touches a watertight object in the truth"


@dataclass(frozen=True)
class ContactCounts:
    """Numbers of frames and pairs, in one view or several, by what truth and prediction say of contact.

    Attributes:
        contacts, others: frames and pairs with contact in the truth, and without.
        found, rejected: of these, the ones of which the prediction says the same.
        false: frames and pairs with contact in the prediction, but not in the truth.
    """

    contacts: int
    others: int
    found: int
    rejected: int
    false: int

    @property
    def total(self) -> int:
        """Number of frames and pairs."""
        return self.contacts + self.others

    @property
    def accuracy(self) -> float | None:
        """Balanced accuracy, 0 to 1: the mean of ``recall`` and ``specificity``; None where a class has under ``LEAST_SHARE`` of the truth."""
        least = max(1.0, LEAST_SHARE * self.total)
        return None if min(self.contacts, self.others) < least else (self.recall + self.specificity) / 2.0

    @property
    def recall(self) -> float:
        """Share of the true contacts that the prediction has, 0 to 1."""
        return self.found / max(self.contacts, 1)

    @property
    def specificity(self) -> float:
        """Share of frames and pairs without a true contact that have none in the prediction, 0 to 1."""
        return self.rejected / max(self.others, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of ``recall`` and the share of the predicted contacts that are true, 0 to 1."""
        return 2.0 * self.found / max(self.contacts + self.found + self.false, 1)

    @property
    def reason(self) -> str:
        """The reason why there is no accuracy."""
        if not self.total:
            return "no frame has a hand and an object whose true points determine a fit"
        bounds = f"expected {LEAST_SHARE:.0%} to {1.0 - LEAST_SHARE:.0%}"
        return f"the truth has a contact in {self.contacts} of {self.total} frames and pairs, {bounds}"


def contact_accuracy(pred: Array, truth: Array, mask: Array) -> float:
    """Return the balanced accuracy of predicted contacts, 0 to 1: the mean of the shares of contacts and of their absence that are right.

    Args:
        pred: (V, N, C) signed distances of hands from objects for C pairs of both, metres (``hand_distance``); NaN where the prediction has none,
            which is wrong whatever the truth.
        truth: (N, C) the true ones.
        mask: (V, N, C) bool, the frames and pairs that count in each view.

    Raises:
        ValueError: the shapes do not fit, the mask is not bool, or a true distance that counts is NaN.
        Undefined: contacts, or their absence, make up under 10 % of the truth.

    Source: this benchmark.

    >>> truth = np.array([[0.001], [0.004], [0.02], [0.03]])  # a hand lifts from an object
    >>> mask = np.ones((1, 4, 1), dtype=bool)
    >>> contact_accuracy(truth[None] + 0.002, truth, mask)  # the second contact is missed
    0.75
    """
    counts = count_contacts(*_check(pred, truth, mask))
    if counts.accuracy is None:
        raise Undefined(counts.reason)
    return counts.accuracy


def contact_depth_error(pred: Array, truth: Array, mask: Array) -> float:
    """Return the mean error of the signed distance of hands from objects in true contacts, metres: min(5 cm, |pred - truth|).

    Arguments and errors as ``contact_accuracy``, but NaN in ``pred`` costs 5 cm, and the value is undefined only without a contact.

    >>> truth = np.array([[0.001], [-0.002], [0.02]])  # touching, inside by 2 mm, and 2 cm away, which does not count
    >>> pred = np.array([[[0.004], [-0.012], [0.09]]])  # hovering, inside by 12 mm
    >>> round(contact_depth_error(pred, truth, np.ones((1, 3, 1), dtype=bool)), 6)
    0.0065
    """
    pred, truth, mask = _check(pred, truth, mask)
    contacts = mask & (truth <= CONTACT)
    if not contacts.any():
        raise Undefined(NO_CONTACT)
    return pooled_mean(depth_error(pred, truth), contacts).value


def count_contacts(pred: Array, truth: Array, mask: Array) -> ContactCounts:
    """Count true and predicted contacts; arguments as ``contact_accuracy``."""
    contact = np.broadcast_to(truth <= CONTACT, mask.shape)
    touches, apart = pred <= CONTACT, pred > CONTACT  # both false for NaN
    return ContactCounts(
        contacts=int((mask & contact).sum()),
        others=int((mask & ~contact).sum()),
        found=int((mask & contact & touches).sum()),
        rejected=int((mask & ~contact & apart).sum()),
        false=int((mask & ~contact & touches).sum()),
    )


def depth_error(pred: Array, truth: Array) -> Array:
    """Return min(5 cm, |pred - truth|), (V, N, C) metres, of signed distances as in ``contact_depth_error``; 5 cm for NaN and infinity."""
    with np.errstate(invalid="ignore"):  # both may be infinite
        error: Array = np.fmin(np.abs(pred - truth), DEPTH_CAP)
    return error


def _check(pred: Array, truth: Array, mask: Array) -> tuple[Array, Array, Array]:
    check_shape("truth", truth, ("N", "C"))
    check_shape("pred", pred, ("V", *truth.shape))
    check_mask("mask", mask, pred.shape)
    if (np.isnan(truth) & mask.any(axis=0)).any():
        raise ValueError("truth has NaN where mask counts it: set mask to false there")
    return pred.astype(np.float64), truth.astype(np.float64), mask


def measure_contact_accuracy(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of contact_accuracy@1 (no unit; higher is better; 0 to 1): one per view, then the clip's."""
    motion, hands = align_motion(case), measure_hand_distances(case)
    pred = np.where(hands.residual <= LARGEST_RESIDUAL, hands.pred, np.nan)
    mask, expected = np.broadcast_to(hands.mask, pred.shape), hands.mask[1:].size
    counts = count_contacts(pred, hands.truth, mask)
    if counts.accuracy is None:
        raise Undefined(counts.reason)
    for v, view in enumerate(motion.truth.views):
        own = count_contacts(pred[v : v + 1], hands.truth, mask[v : v + 1])
        yield motion.measurement(own.accuracy, view=view, n_scored=own.total, n_expected=expected)
    held = np.broadcast_to(hands.truth[0], pred.shape)
    yield motion.measurement(
        counts.accuracy,
        n_scored=counts.total,
        n_expected=expected * len(pred),
        coverage=hands.coverage,
        details={
            "f1": counts.f1,
            "recall": counts.recall,
            "specificity": counts.specificity,
            "true_contacts": counts.contacts / counts.total,
            "frozen": count_contacts(held, hands.truth, mask).accuracy,
            "not_rigid": float((hands.residual[mask] > LARGEST_RESIDUAL).mean()),
        },
    )


def measure_contact_depth_error(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of contact_depth_error@1 (m; lower is better; 0 to 0.05): one per view, then the clip's."""
    motion, hands = align_motion(case), measure_hand_distances(case)
    contacts = hands.mask & (hands.truth <= CONTACT)
    mask = np.broadcast_to(contacts & hands.closed, hands.pred.shape)
    if not mask.any():
        raise Undefined(NO_CONTACT)
    means = pooled_mean(depth_error(hands.pred, hands.truth), mask)
    scored, expected = int(mask[0].sum()), int(contacts.sum())
    for view, value in zip(motion.truth.views, means.groups, strict=True):
        yield motion.measurement(float(value), view=view, n_scored=scored, n_expected=expected)
    true_depth = np.broadcast_to(np.maximum(-hands.truth, 0.0), mask.shape)[mask]
    yield motion.measurement(
        means.value,
        n_scored=scored * len(mask),
        n_expected=expected * len(mask),
        coverage=hands.coverage,
        details={
            "penetration": float(np.fmax(-hands.pred[mask], 0.0).mean()),
            "true_penetration": float(true_depth.mean()),
            "largest_true_penetration": float(true_depth.max()),
        },
    )
