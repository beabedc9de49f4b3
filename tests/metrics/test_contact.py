"""contact_accuracy and contact_depth_error on plain arrays: equal to plain loops, and right by hand."""

import numpy as np
import plain_contact
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hoibench.metrics.contact import contact_accuracy, contact_depth_error, count_contacts
from hoibench.metrics.hand_distance import DEPTH_CAP
from hoibench.metrics.measurement import Undefined

seeds = st.integers(0, 2**32 - 1)


def scene(seed, views=2, frames=6, pairs=4):
    """Return predicted and true distances around the 5 mm of a contact, some of them missing or infinite, and the mask."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-0.005, 0.02, (frames, pairs))
    pred = truth + rng.normal(0, 0.02, (views, frames, pairs))
    pred[rng.random(pred.shape) < 0.1] = np.nan
    pred[rng.random(pred.shape) < 0.1] = np.inf
    return pred, truth, rng.random(pred.shape) < 0.8


@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    pred, truth, mask = scene(seed)
    accuracy, depth = (
        plain_contact.contact_accuracy(pred, truth, mask),
        plain_contact.contact_depth_error(pred, truth, mask),
    )
    assume(accuracy is not None and depth is not None)
    assert contact_accuracy(pred, truth, mask) == pytest.approx(accuracy, rel=1e-9)
    assert contact_depth_error(pred, truth, mask) == pytest.approx(depth, rel=1e-9)


@given(seed=seeds)
def test_the_order_of_views_frames_and_pairs_does_not_matter_and_the_truth_is_perfect(seed):
    pred, truth, mask = scene(seed)
    assume(count_contacts(pred, truth, mask).accuracy is not None)
    rng = np.random.default_rng(seed)
    v, n, c = (rng.permutation(size) for size in pred.shape)
    moved = pred[v][:, n][..., c], truth[n][:, c], mask[v][:, n][..., c]
    for function, perfect in ((contact_accuracy, 1.0), (contact_depth_error, 0.0)):
        assert function(*moved) == pytest.approx(function(pred, truth, mask), rel=1e-12)
        assert function(np.broadcast_to(truth, pred.shape), truth, mask) == perfect


@given(seed=seeds)
def test_no_answer_scores_worse_than_none(seed):
    pred, truth, mask = scene(seed)
    assume(count_contacts(pred, truth, mask).accuracy is not None)
    nothing = np.full(pred.shape, np.nan)
    assert contact_accuracy(nothing, truth, mask) == 0 <= contact_accuracy(pred, truth, mask)
    assert contact_depth_error(nothing, truth, mask) == pytest.approx(DEPTH_CAP)
    assert contact_depth_error(pred, truth, mask) <= DEPTH_CAP + 1e-12


def test_counts_by_hand():
    truth = np.array([[0.005, 0.006], [-0.01, 0.1], [0.0, np.inf]])  # three contacts, three others
    pred = np.array([[[0.006, 0.004], [0.05, 0.2], [-0.1, np.nan]]])
    counts = count_contacts(pred, truth, np.ones((1, 3, 2), dtype=bool))
    assert (counts.contacts, counts.others, counts.found, counts.rejected, counts.false) == (3, 3, 1, 1, 1)
    assert counts.accuracy == pytest.approx(1 / 3)
    assert counts.f1 == pytest.approx(2 * 1 / (2 * 1 + 2 + 1))


def test_hovering_and_penetration_do_not_cancel():
    truth = np.array([[0.001], [0.001]])
    pred = truth[None] + np.array([[[0.01], [-0.01]]])
    assert contact_depth_error(pred, truth, np.ones((1, 2, 1), dtype=bool)) == pytest.approx(0.01)


@pytest.mark.parametrize(("contacts", "defined"), [(1, False), (2, True), (18, True), (19, False)])
def test_both_classes_need_a_tenth_of_the_truth(contacts, defined):
    truth = np.where(np.arange(20) < contacts, 0.0, 0.03)[:, None]
    everywhere = np.ones((1, 20, 1), dtype=bool)
    if defined:
        assert contact_accuracy(truth[None], truth, everywhere) == 1
    else:
        with pytest.raises(Undefined, match=rf"contact in {contacts} of 20 frames and pairs, expected 10% to 90%"):
            contact_accuracy(truth[None], truth, everywhere)


def test_nothing_counts_no_contact_and_wrong_shapes():
    truth, mask = np.array([[0.03], [0.001]]), np.array([[[True], [False]]])
    with pytest.raises(Undefined, match="no hand touches a watertight object"):
        contact_depth_error(truth[None], truth, mask)
    with pytest.raises(Undefined, match="no frame has a hand and an object"):
        contact_accuracy(truth[None], truth, mask & False)
    with pytest.raises(ValueError, match="pred has shape"):
        contact_accuracy(truth, truth, mask)
    with pytest.raises(ValueError, match="truth has NaN where mask counts it"):
        contact_accuracy(truth[None], truth * np.nan, mask)
