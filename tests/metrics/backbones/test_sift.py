"""SIFT: matches follow shifts and homographies."""

import cv2
import numpy as np
import pytest

from hoibench.metrics.backbones.sift import Sift


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((200, 300, 3)).astype(np.float32), (0, 0), 2.0)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def matched(matcher, a, b):
    features = [*matcher.describe([a]), *matcher.describe([b])]
    (pairs,) = matcher.match([features])
    return features[0].points[pairs[:, 0]], features[1].points[pairs[:, 1]]


def test_matches_follow_a_shift(image):
    a, b = matched(Sift(), image[:180, :280], image[8:188, 14:294])
    assert len(a) > 100
    assert np.median(np.linalg.norm(a - b - (14, 8), axis=1)) < 0.1


def test_matches_follow_a_homography(image):
    H = np.array([[0.9, 0.1, 10], [-0.1, 0.95, 20], [1e-4, 0, 1]])
    a, b = matched(Sift(), image, cv2.warpPerspective(image, H, (300, 200)))
    wanted = cv2.perspectiveTransform(a[None].astype(np.float64), H)[0]
    assert len(a) > 50
    assert np.mean(np.linalg.norm(b - wanted, axis=1) < 1.5) > 0.9


def test_swapping_the_images_swaps_the_pairs(image):
    matcher = Sift()
    a, b = matcher.describe([image[:180, :280], image[8:188, 14:294]])
    pairs, swapped = matcher.match([(a, b), (b, a)])
    assert sorted(map(tuple, swapped[:, ::-1].tolist())) == list(map(tuple, pairs.tolist()))


def test_a_blank_image_has_no_points(image):
    matcher = Sift()
    blank, other = matcher.describe([np.full_like(image, 127), image])
    assert blank.points.shape == (0, 2)
    assert [pairs.shape for pairs in matcher.match([(blank, other), (other, blank)])] == 2 * [(0, 2)]


def test_squared_distances_are_exact_in_float32(image):
    """SIFT's descriptors are integers up to 255: the sum of 128 squares stays below 2**24."""
    found = Sift().describe([image])[0].descriptors
    assert np.array_equal(found, found.round())
    assert found.max() <= 255
    assert np.square(found.astype(np.float64)).sum(1).max() * 2 < 2**24
