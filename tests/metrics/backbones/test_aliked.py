"""ALIKED: points are in pixels of the original image, and the weights are those of the registry."""

import cv2
import numpy as np
import pytest
import torch

from hoibench.metrics.backbones.aliked import Aliked, load_aliked
from hoibench.weights import WeightsMissing, all_weights


@pytest.fixture(scope="module")
def aliked(field_data):
    return load_aliked("cpu", field_data / "aliked")


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((110, 150, 3)).astype(np.float32), (0, 0), 2.0)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


class Corners(torch.nn.Module):
    """A fake network that returns the corners of its input as points."""

    def forward(self, images):
        self.layout = images.is_contiguous(memory_format=torch.channels_last)
        height, width = images.shape[-2:]
        self.keypoints = torch.tensor([[0.0, 0.0], [width - 1.0, height - 1.0]])
        self.descriptors = torch.zeros(2, 8)
        return [self]


def test_points_are_in_pixels_of_the_original_image():
    network = Corners()
    (features,) = Aliked(network, "cpu").describe([np.zeros((64, 96, 3), np.uint8)])
    assert network.layout
    assert np.allclose(features.points, [[-0.25, -0.25], [95.25, 63.25]], atol=1e-4)
    assert features.size == (64, 96)


def test_missing_weights_give_the_command_that_fetches_them(monkeypatch, tmp_path):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match="hoibench weights fetch aliked-n16"):
        load_aliked("cpu", tmp_path)


@pytest.mark.field
def test_matches_follow_a_shift(aliked, image):
    a, b = aliked.describe([image[:100, :130], image[6:106, 10:140]])
    (pairs,) = aliked.match([(a, b)])
    moved = a.points[pairs[:, 0]] - b.points[pairs[:, 1]]
    assert len(pairs) > 50
    assert np.median(np.linalg.norm(moved - (10, 6), axis=1)) < 0.25


@pytest.mark.field
def test_the_strongest_2048_points_are_kept(aliked):
    rng = np.random.default_rng(0)
    (features,) = aliked.describe([rng.integers(0, 256, (192, 256, 3), dtype=np.uint8)])
    assert features.points.shape == (2048, 2)
    assert features.descriptors.shape == (2048, 128)
    assert np.allclose(np.linalg.norm(features.descriptors, axis=1), 1, atol=1e-5)
    assert aliked.weights == {"aliked-n16": all_weights()["aliked-n16"].sha256}


@pytest.mark.field
def test_a_batch_has_the_features_of_single_images(aliked, image):
    images = [image[:64, :96], image[40:104, 50:146]]
    batched = Aliked(aliked.network, torch.device("cpu")).describe(
        images
    )  # only the device named cpu takes images one by one
    for one, other in zip(aliked.describe(images), batched, strict=True):
        a, b = (each.points[np.lexsort(each.points.round(2).T)] for each in (one, other))
        np.testing.assert_allclose(a, b, atol=1e-2)
        assert len(a) > 50


@pytest.mark.field
def test_features_do_not_depend_on_earlier_images(aliked, image):
    (first,) = aliked.describe([image])
    _, again = aliked.describe([image[::-1], image])
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.descriptors, again.descriptors)
