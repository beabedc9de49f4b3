import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_truth import plain_mask

from hoibench.clip import Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.masks import build_masks
from hoibench.geometry import project, to_camera


def test_a_plate_is_masked_with_one_pixel_around_it():
    plate = np.array([[-0.25, -0.25, 2.0], [0.25, -0.25, 2.0], [0.25, 0.25, 2.0], [-0.25, 0.25, 2.0]])
    moving = Surface(3, np.stack([plate, np.add(plate, [9.0, 0.0, 0.0])]), np.array([[0, 1, 2], [0, 2, 3]]))
    camera = Camera(np.array([[8.0, 0, 3.5], [0, 8.0, 3.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (8, 8))
    masks = build_masks([moving], [camera])
    expected = np.zeros((1, 2, 8, 8), dtype=bool)
    expected[0, 0, 2:6, 2:6] = True  # covers pixels 3 and 4, and one around
    np.testing.assert_array_equal(masks, expected)


@pytest.mark.parametrize(("height", "radius"), [(120, 1), (240, 1), (359, 1), (361, 2), (480, 2), (1080, 4)])
def test_a_mask_is_dilated_by_a_240th_of_the_height(height, radius):
    """A sliver that one pixel's centre alone is in."""
    at = np.array([[-0.1, -0.1, 1.0], [0.1, -0.1, 1.0], [0.0, 0.1, 1.0]])
    camera = Camera(np.array([[1.0, 0, 20.0], [0, 1.0, 30.0], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (height, 64))
    mask = build_masks([Surface(0, at[None], np.array([[0, 1, 2]]))], [camera])[0, 0]
    expected = np.zeros((height, 64), dtype=bool)
    expected[30 - radius : 31 + radius, 20 - radius : 21 + radius] = True
    np.testing.assert_array_equal(mask, expected)


def test_every_visible_track_is_inside_the_mask_and_the_background_is_not(clip):
    for view, camera in enumerate(clip.cameras):
        for frame in range(clip.frames):
            points = to_camera(clip.tracks.world[frame].astype(float), camera.R, camera.t)
            u, v = np.rint(project(points, camera.K)[clip.tracks.visible[view, frame]]).astype(int).T
            assert clip.masks[view, frame][v, u].all()
    assert 0.02 < clip.masks.mean() < 0.4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([40, 130, 600]), st.sampled_from([0.02, 0.1, 0.4]))
def test_masks_equal_those_of_all_rays(seed, height, scale):
    """Two parts of random triangles, small and large, some of them out of the image or behind the camera."""
    rng = np.random.default_rng(seed)
    centres = rng.normal([0.0, 0.0, 1.2], [0.5, 0.5, 0.5], (2, 3))
    surfaces = [
        Surface(part, rng.normal(centre, scale, (1, 12, 3)), np.arange(12).reshape(4, 3))
        for part, centre in enumerate(centres)
    ]
    K = np.array([[40.0, 0, 15.5], [0, height, height / 2], [0, 0, 1.0]])
    camera = Camera(K, np.eye(3), np.zeros(3), (height, 32))
    np.testing.assert_array_equal(build_masks(surfaces, [camera])[0, 0], plain_mask(surfaces, 0, camera))


def test_masks_of_a_clip_equal_those_of_all_rays(written, clip):
    surfaces = written.recording.surfaces
    for view, camera in enumerate(clip.cameras):
        np.testing.assert_array_equal(clip.masks[view, 3], plain_mask(surfaces, 3, camera))
