"""SuperPoint with random weights under the authors' names, against a plain pipeline; images without contrast; the names in the checkpoint."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from checkpoint_files import DAMAGES, write_zeros
from matcher_shapes import SUPERPOINT as SHAPES

from hoibench.metrics.backbones.superpoint import load_superpoint


@pytest.fixture(scope="module")
def state():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) * (np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.1) * 1.4
        for name, shape in SHAPES.items()
    }


@pytest.fixture(scope="module")
def superpoint(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "gim.ckpt"
    torch.save({"state_dict": {**state, "model.other": torch.zeros(1)}}, path)
    return load_superpoint(path, "superpoint.", "cpu")


def plain_points(image, state):
    """Return points, sorted by score, and descriptors by the formulas of the paper and of GIM's settings; NMS by sorting."""

    def conv(name, x):
        return F.conv2d(x, state[f"superpoint.{name}.weight"], state[f"superpoint.{name}.bias"], padding="same")

    x = torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[None, None] / np.float32(255))
    for n in (1, 2, 3, 4):
        x = conv(f"conv{n}b", conv(f"conv{n}a", x).relu()).relu()
        x = x if n == 4 else F.max_pool2d(x, 2)
    scores = F.pixel_shuffle(conv("convPb", conv("convPa", x).relu()).softmax(1)[:, :64], 8)[0, 0].numpy()
    dense = F.normalize(conv("convDb", conv("convDa", x).relu()), dim=1)
    left, points = scores.copy(), []
    while left.max() > 0:
        y, x = np.unravel_index(left.argmax(), left.shape)
        points.append((x, y))
        left[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = 0
    height, width = scores.shape
    points = np.array([(x, y) for x, y in points if 4 <= x < width - 4 and 4 <= y < height - 4], np.float32)
    cells = torch.from_numpy((points - 3.5) / (np.array([width, height]) - 4.5) * 2 - 1).float()
    descriptors = F.normalize(F.grid_sample(dense, cells[None, None], align_corners=True)[0, :, 0], dim=0).T
    return points, descriptors.numpy(), scores


def test_points_and_descriptors_equal_a_plain_pipeline(superpoint, state, texture):
    image = texture(64, 96)
    (found,) = superpoint.describe([image])
    points, descriptors, scores = plain_points(image, state)
    x, y = found.points.astype(int).T
    assert (np.diff(scores[y, x]) <= 0).all()
    assert x.min() >= 4 and x.max() < 92 and y.min() >= 4 and y.max() < 60
    # The network's fast suppression keeps local maxima first, so that a few weak points differ from those of sorting.
    plain = {tuple(point): k for k, point in enumerate(points.astype(int).tolist())}
    both = [(k, plain[point]) for k, point in enumerate(zip(x.tolist(), y.tolist(), strict=True)) if point in plain]
    assert len(both) > 0.8 * max(len(points), len(x)) > 50
    ours, theirs = np.array(both).T
    np.testing.assert_allclose(found.descriptors[ours], descriptors[theirs], atol=1e-4)


def test_the_strongest_2048_points_are_kept(superpoint):
    image = np.random.default_rng(0).integers(0, 256, (320, 480, 3), np.uint8)
    (found,) = superpoint.describe([image])
    assert found.points.shape == (2048, 2) and found.descriptors.shape == (2048, 256)
    assert (found.size, found.points.dtype) == ((320, 480), np.float32)


def test_an_image_of_constant_grey_has_no_points(superpoint, texture):
    image = texture(64, 96)
    black, found, grey = superpoint.describe([np.zeros_like(image), image, np.full_like(image, 127)])
    assert black.points.shape == grey.points.shape == (0, 2)
    assert black.descriptors.shape == (0, 256)
    assert len(found.points) > 50


def test_sides_that_are_no_multiples_of_8_are_resized_and_points_return(superpoint, texture):
    """The first and the last possible pixel of the resized image are equally far from the edges of the original."""
    (found,) = superpoint.describe([texture(69, 101)])
    x, y = (found.points.astype(np.float64) + 0.5).T
    assert np.allclose(x * 96 / 101 % 1, 0.5, atol=1e-3) and np.allclose(y * 64 / 69 % 1, 0.5, atol=1e-3)
    assert x.max() > 90 and found.size == (69, 101)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_tensor_is_named(tmp_path, damage):
    path = write_zeros(tmp_path / "a.ckpt", SHAPES)
    load_superpoint(path, "superpoint.", "cpu")
    write_zeros(path, SHAPES, damage, "superpoint.convPb.weight")
    with pytest.raises(ValueError, match=r"conv_score_b\.weight|convPb\.weight_"):
        load_superpoint(path, "superpoint.", "cpu")
