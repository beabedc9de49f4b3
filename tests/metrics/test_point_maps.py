import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.point_maps import sample_point_maps


def plane(depth=2.0, h=4, w=6):
    """Return (1, 1, h, w, 3) maps whose x and y are column and row."""
    maps = np.zeros((1, 1, h, w, 3))
    maps[..., 0], maps[..., 1] = np.meshgrid(np.arange(w), np.arange(h))
    maps[..., 2] = depth
    return maps


def pixels_at(*pixels):
    return np.array(pixels, dtype=float)[None, None]


@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float16, np.float32]))
def test_equal_to_plain_loops(seed, dtype):
    rng = np.random.default_rng(seed)
    maps = rng.normal(0, 1, (2, 2, 5, 7, 3))
    maps[..., 2] = 1.5 + rng.choice([0.0, 0.01, 0.03, 0.5], (2, 2, 5, 7), p=[0.85, 0.05, 0.05, 0.05])
    maps[..., 2][rng.random((2, 2, 5, 7)) < 0.03] = np.nan
    maps = maps.astype(dtype)
    pixels, sizes = rng.uniform(-5, 25, (2, 2, 9, 2)), [(10, 14), (15, 21)]
    points, centres = sample_point_maps(maps, pixels, sizes)
    for v, n, k in np.ndindex(2, 2, 9):
        expected = plain_motion.sample_point_map(maps[v, n], pixels[v, n, k], sizes[v])
        assert points.valid[v, n, k] == (expected is not None)
        assert points.xyz[v, n, k].tolist() == (expected or [0, 0, 0])
        if expected is not None:
            cell = np.array([sizes[v][1] / 7, sizes[v][0] / 5])
            assert (np.abs(centres[v, n, k] - pixels[v, n, k]) <= cell / 2 + 1e-12).all()


def test_the_map_pixel_that_covers_a_position_is_sampled():
    # The map has half the image's resolution: map column 1 covers image columns 2 and 3, [1.5, 3.5).
    points, centres = sample_point_maps(plane(), pixels_at([1.49, 0], [1.5, 0], [3.49, 0], [3.5, 7.49]), [(8, 12)])
    assert points.xyz[0, 0, :, :2].tolist() == [[0, 0], [1, 0], [1, 0], [2, 3]]
    assert centres[0, 0].tolist() == [[0.5, 0.5], [2.5, 0.5], [2.5, 0.5], [4.5, 6.5]]


def test_positions_outside_the_map_are_invalid():
    points, centres = sample_point_maps(
        plane(), pixels_at([-0.6, 1], [5.5, 1], [2, 3.5], [np.inf, np.inf], [2, 2]), [(4, 6)]
    )
    assert points.valid[0, 0].tolist() == [False, False, False, False, True]
    assert np.isinf(centres[0, 0, :4]).all()


@pytest.mark.parametrize("depth", [2.041, 1.0, np.nan, np.inf])
def test_depth_edges_of_the_map_itself_leave_its_samples_valid(depth):
    maps = plane(h=5)
    maps[0, 0, 1, 3, 2] = maps[0, 0, 2, 4, 2] = depth
    points, _ = sample_point_maps(maps, pixels_at([3, 2]), [(5, 6)])
    assert points.valid.all()


@pytest.mark.parametrize("depth", [0.0, -2.0, np.nan, np.inf])
def test_a_point_not_in_front_of_the_camera_is_invalid(depth):
    points, _ = sample_point_maps(plane(depth), pixels_at([2, 2]), [(4, 6)])
    assert not points.valid.any()
    assert (points.xyz == 0).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="maps has shape"):
        sample_point_maps(plane()[..., :2], pixels_at([0, 0]), [(4, 6)])
    with pytest.raises(ValueError, match="pixels has shape"):
        sample_point_maps(plane(), pixels_at([0, 0]), [(4, 6)] * 2)
