import numpy as np
import pytest

from hoibench.clip import Camera
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.point_sets import (
    check_points,
    check_prediction_and_truth,
    check_prediction_and_world,
    mean_of_means,
)


def test_frames_and_views_have_equal_weights():
    error = np.array([[[1.0, 3.0, 5.0], [10.0, 0.0, 0.0]], [[7.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    mask = np.array([[[1, 1, 1], [1, 0, 0]], [[1, 0, 0], [0, 0, 0]]], dtype=bool)
    means = mean_of_means(error, mask)
    # view 0: ((1+3+5)/3 + 10)/2 = 6.5; view 1: its one frame, 7
    assert means.groups.tolist() == [6.5, 7.0]
    assert means.value == 6.75
    assert (means.n_scored, means.n_expected) == (3, 4)
    assert means.scored.tolist() == [2, 1]


def test_an_empty_view_is_dropped_and_counted():
    error, mask = np.ones((2, 3, 4)), np.zeros((2, 3, 4), dtype=bool)
    mask[1, 2] = True
    means = mean_of_means(error, mask)
    assert means.value == 1.0
    assert np.isnan(means.groups[0])
    assert (means.n_scored, means.n_expected) == (1, 6)


def test_errors_outside_the_mask_are_ignored():
    error = np.full((1, 1, 2), np.nan)
    error[0, 0, 1] = 4.0
    assert mean_of_means(error, np.array([[[False, True]]])).value == 4.0


def test_an_empty_mask_is_undefined():
    with pytest.raises(Undefined, match="no true point is visible"):
        mean_of_means(np.ones((1, 2, 3)), np.zeros((1, 2, 3), dtype=bool))


def test_nan_in_a_valid_point_is_named_with_its_index():
    points = np.ones((2, 3, 4, 3))
    points[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match=r"pred has \[nan, 1.0, 1.0\] at view 1, frame 2, point 3"):
        check_points("pred", points, None)
    valid = np.ones((2, 3, 4), dtype=bool)
    valid[1, 2, 3] = False
    assert check_points("pred", points, valid).xyz[1, 2, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pred": np.ones((2, 3, 4))}, "pred has shape"),
        ({"truth": np.ones((2, 3, 5, 3))}, "the mask of truth has shape"),
        ({"pred": np.ones((2, 3, 5, 3))}, "pred has shape"),
        ({"mask": np.ones((2, 3), dtype=bool)}, "the mask of truth has shape"),
        ({"valid": np.ones((2, 3, 5), dtype=bool)}, "the mask of pred has shape"),
    ],
)
def test_wrong_shapes_are_named(change, message):
    arrays = {
        "pred": np.ones((2, 3, 4, 3)),
        "truth": np.ones((2, 3, 4, 3)),
        "mask": np.ones((2, 3, 4), dtype=bool),
        "valid": None,
    }
    with pytest.raises(ValueError, match=message):
        check_prediction_and_truth(**{**arrays, **change})


def test_wrong_world_points_are_named():
    pred, world, mask = np.ones((2, 3, 4, 3)), np.ones((3, 4, 3)), np.ones((2, 3, 4), dtype=bool)
    cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (128, 192))] * 2
    with pytest.raises(ValueError, match="pred has shape"):
        check_prediction_and_world(pred, world[:, :3], cameras, mask, None)
    with pytest.raises(ValueError, match="mask has shape"):
        check_prediction_and_world(pred, world, cameras, mask[:1], None)
    with pytest.raises(ValueError, match="world has"):
        check_prediction_and_world(pred, world * np.inf, cameras, mask, None)


def test_integer_masks_are_refused():
    pred, mask = np.ones((1, 1, 2, 3)), np.ones((1, 1, 2), np.int64)
    cameras = [Camera(np.eye(3), np.eye(3), np.zeros(3), (4, 4))]
    with pytest.raises(ValueError, match="the mask of truth has dtype int64, expected bool"):
        check_points("truth", pred, mask)
    with pytest.raises(ValueError, match="mask has dtype int64, expected bool"):
        check_prediction_and_world(pred, pred[0], cameras, mask, None)
