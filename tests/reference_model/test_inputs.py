import dataclasses

import numpy as np
import pytest
import torch
from requests_for_models import K, camera, small_config, small_request, with_view

from reference_model.generation.inputs import check_request, request_to_inputs, view_order

CONFIG = small_config()
GIVEN = small_request()


def moving(index):
    still = camera(0.0)
    return with_view(
        GIVEN, index, camera=dataclasses.replace(still, R=np.stack([still.R] * 5), t=np.stack([still.t] * 5))
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (small_request(("left", "right")), "clip clip_0 has 2 views, the model was trained for V = 3"),
        (dataclasses.replace(GIVEN, frames=9), "has 9 frames of 64x96, the model was trained for 5 frames of 64x96"),
        (dataclasses.replace(GIVEN, size=(64, 128)), "has 5 frames of 64x128, the model was trained for 5 frames of 64x96"),
        (with_view(GIVEN, 1, camera=None), "view cam-center has no camera: the model aligns tracks in a frame built from"),
        (moving(2), "the camera of view cam-right moves: the model supports static cameras only"),
        (with_view(GIVEN, 0, image=None), "view cam-left has no reference image"),
        (with_view(GIVEN, 0, image=np.zeros((64, 64, 3), np.uint8)), r"cam-left: image has shape \(64, 64, 3\), expected \(64, 96, 3\)"),
        (with_view(GIVEN, 0, image=np.zeros((64, 96, 3), np.float32)), "cam-left: image has dtype float32, expected uint8"),
        (with_view(GIVEN, 0, camera=dataclasses.replace(camera(0.0), size=(128, 192))), r"has image size \(128, 192\), expected"),
        (dataclasses.replace(GIVEN, anchors=np.zeros((2, K, 2), np.float32)), r"anchors has shape \(2, 12, 2\), expected \(3, K, 2\)"),
        (dataclasses.replace(GIVEN, anchors=np.zeros((3, 0, 2), np.float32)), "clip_0 has no anchor: give at least one, or None"),
        (dataclasses.replace(GIVEN, anchors=np.full((3, K, 2), np.nan, np.float32)), "clip_0 has no finite anchor: give"),
        (with_view(GIVEN, 2, camera=dataclasses.replace(camera(0.0), K=np.diag([0.0, 85.0, 1.0]))), r"view cam-right has K \[\[0.* expected focal"),
    ],
)  # fmt: skip
def test_requests_that_do_not_fit_are_refused(request_, message):
    with pytest.raises(ValueError, match=message):
        check_request(request_, CONFIG)


@pytest.mark.parametrize(
    "clusters", [("right", "left", "center"), ("left", "center", "right"), ("center", "right", "left")]
)
def test_the_model_sees_left_center_right(clusters):
    request = small_request(clusters)
    given, sorted_ = request_to_inputs(request, "cpu"), request_to_inputs(small_request(), "cpu")
    assert [clusters[i] for i in given.order] == ["left", "center", "right"]
    for name in ("images", "anchors"):
        assert torch.equal(getattr(given, name), getattr(sorted_, name))
    for mine, theirs in zip(given.cameras[:3], sorted_.cameras[:3], strict=True):
        assert torch.equal(mine, theirs)


def test_views_of_no_cluster_keep_their_order():
    request = with_view(small_request(("right", "left", "center")), 1, cluster=None)
    assert view_order(request.views) == (0, 1, 2)


def test_the_tensors_are_the_requests():
    given = request_to_inputs(GIVEN, "cpu")
    np.testing.assert_array_equal((given.images * 255).round().to(torch.uint8), [view.image for view in GIVEN.views])
    np.testing.assert_array_equal(given.anchors[0], GIVEN.anchors)
    assert given.point_mask.all() and given.point_mask.shape == (1, 3, K)
    np.testing.assert_allclose(given.cameras.intrinsics[0, 1], [90 / 96, 85 / 64])
    assert request_to_inputs(dataclasses.replace(GIVEN, anchors=None), "cpu").anchors is None


def test_missing_anchors_are_masked():
    anchors = GIVEN.anchors.copy()
    anchors[1, 4], anchors[2, 0, 1] = np.nan, np.inf
    given = request_to_inputs(dataclasses.replace(GIVEN, anchors=anchors), "cpu")
    assert given.anchors.isfinite().all()
    assert [tuple(each) for each in (~given.point_mask).nonzero().tolist()] == [(0, 1, 4), (0, 2, 0)]
