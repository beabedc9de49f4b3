"""object_following on plain arrays: equal to plain loops, and not to be had by a few frames or points that fly off."""

import numpy as np
import plain_interaction as plain
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hoibench.metrics.measurement import Undefined
from hoibench.metrics.object_following import object_following

seeds = st.integers(0, 2**32 - 1)


def scene(seed, shape=(2, 7, 5)):
    """Prediction, truth, mask and valid points of an object that moves by a few centimetres."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.02, (*shape, 3)).cumsum(axis=1)
    return X + rng.normal(0.0, 0.01, X.shape), X, rng.random(shape) < 0.8, rng.random(shape) < 0.8


@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    P, X, m, valid = scene(seed)
    expected = plain.object_following(P, X, m, valid)
    assume(expected is not None)
    assert object_following(P, X, m, valid) == pytest.approx(expected, rel=1e-9)


@given(seed=seeds, share=st.floats(-1.0, 3.0))
def test_the_share_of_the_motion_by_hand(seed, share):
    _, X, _, _ = scene(seed)
    everywhere = np.ones(X.shape[:3], dtype=bool)
    part_of_it = X[:, :1] + share * (X - X[:, :1]) + 0.3
    assert object_following(part_of_it, X, everywhere) == pytest.approx(max(0, 1 - abs(1 - share)), abs=1e-9)


@given(seed=seeds, far=st.floats(0.1, 1e4), frame=st.integers(1, 8))
def test_a_frame_or_a_point_that_flies_off_does_not_stand_for_the_others(seed, far, frame):
    """The object moves at constant speed; the prediction stands still, but for one frame or one of ten points, which fly along."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    X = rng.normal(0.0, 0.05, (1, 1, 10, 3)) + 0.01 * np.arange(9)[:, None, None] * direction
    everywhere = np.ones(X.shape[:3], dtype=bool)
    one_frame, one_point = (np.repeat(X[:, :1], 9, axis=1) for _ in range(2))
    one_frame[:, frame] += far * direction
    one_point[:, 1:, 0] += far * direction
    for still in (one_frame, one_point):
        assert object_following(still, X, everywhere) == 0.0
    assert object_following(X + 0.9 * (one_frame - X[:, :1]), X, everywhere) == pytest.approx(1.0)


def test_an_object_at_rest_is_undefined():
    P, X, m, _ = scene(0)
    with pytest.raises(Undefined, match="less than 1 cm"):
        object_following(P, X[:, :1] + 0.1 * (X - X[:, :1]), m)
