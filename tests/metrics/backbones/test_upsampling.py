"""Small images are upsampled by two, and points return to pixels of the original."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.backbones.upsampling import to_batch, to_original, to_upsampled


@pytest.mark.parametrize(
    ("size", "given"), [((511, 700), (1022, 1400)), ((512, 700), (512, 700)), ((64, 96), (128, 192))]
)
def test_images_with_a_short_side_under_512_px_are_upsampled(size, given):
    image = np.zeros((*size, 3), np.uint8)
    image[..., 1] = 51
    batch = to_batch([image, image], "cpu")
    assert batch.shape == (2, 3, *given)
    assert batch[1, :, 5, 5].tolist() == pytest.approx([0.0, 0.2, 0.0])


def test_the_upsampled_grid_shares_the_images_edges():
    """The first upsampled pixel centre is a quarter pixel outside the first original one; a step of brightness stays where it was."""
    assert to_original(np.array([[0.0, 127], [191, 0]], np.float32), (64, 96)).tolist() == [
        [-0.25, 63.25],
        [95.25, -0.25],
    ]
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 40:] = 255
    row = to_batch([image], "cpu")[0, 0, 10].numpy()
    middle = np.interp(0.5, row[76:84], np.arange(76, 84))
    assert to_original(np.array([[middle, 0.0]], np.float32), (64, 96))[0, 0] == pytest.approx(39.5, abs=1e-4)


@given(st.sampled_from([(64, 96), (600, 700)]), st.floats(-0.5, 599, width=32), st.floats(-0.5, 599, width=32))
def test_points_return(size, x, y):
    points = np.array([[x, y]], np.float32)
    assert np.allclose(to_original(to_upsampled(points, size), size), points, atol=1e-4)
