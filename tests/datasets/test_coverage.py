import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import Camera
from hoibench.datasets.coverage import covered_pixels
from hoibench.datasets.ray_casting import EmbreeCaster, rays_through

CAMERA = Camera(np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (48, 64))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.1, 0.5]), st.floats(-0.2, 3.0))
def test_rays_near_pixels_that_are_not_covered_miss(seed, scale, depth):
    rng = np.random.default_rng(seed)
    corners = rng.normal([*rng.uniform(-0.8, 0.8, 2), depth], scale, (6, 3, 3))
    covered = covered_pixels(corners.reshape(-1, 3), CAMERA)
    y, x = np.nonzero(~covered)
    near = np.column_stack([x, y]) + rng.uniform(-0.7, 0.7, (len(x), 2))
    if len(near):
        origin, directions = rays_through(CAMERA, near)
        assert not EmbreeCaster(corners).cast(origin, directions).is_hit.any()


def test_few_pixels_around_a_small_surface_are_covered():
    covered = covered_pixels(np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 1.0], [0.0, 0.1, 1.0]]), CAMERA)
    assert covered[23, 31]
    assert covered.sum() < 150


def test_a_surface_outside_the_image_covers_nothing():
    assert not covered_pixels(np.array([[5.0, 0.0, 1.0], [6.0, 0.0, 1.0], [5.0, 1.0, 1.0]]), CAMERA).any()


def test_a_surface_that_reaches_behind_the_camera_may_cover_everything():
    assert covered_pixels(np.array([[0.0, 0.0, 1.0], [0.1, 0.0, -1.0], [0.0, 0.1, 1.0]]), CAMERA).all()
