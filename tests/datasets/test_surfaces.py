import numpy as np
import pytest
from depth_and_part import render_depth_and_part

from hoibench.clip import Camera
from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.surfaces import BACKGROUND, Surface, bounding_box, build_frame_mesh, place_parts
from hoibench.datasets.synthetic.cameras import TRIO, build_camera
from hoibench.datasets.synthetic.materials import build_textured_surfaces


def test_depth_and_part_of_a_scene_agree_with_the_numpy_caster(written):
    surfaces = [textured.surface for textured in build_textured_surfaces(written.scene, written.seed)]
    for frame, serial in enumerate(TRIO):
        fast, plain = build_frame_mesh(surfaces, frame), build_frame_mesh(surfaces, frame)
        vars(plain)["caster"] = NumpyCaster(plain.corners)
        camera = build_camera(serial, (64, 96))
        depth, part = render_depth_and_part(fast, camera)
        plain_depth, plain_part = render_depth_and_part(plain, camera)
        same = part == plain_part
        assert same.mean() >= 0.999
        assert set(np.unique(plain_part)) == {0, 1, 2, 3, BACKGROUND}
        near = np.abs(depth - plain_depth) <= 1e-4
        assert near[same].mean() >= 0.999


def test_parts_and_depths_of_two_plates_are_those_computed_by_hand():
    plate = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    near = Surface(2, np.add(plate * 0.25, [0.0, 0.0, 2.0])[None], faces)
    far = Surface(3, np.add(plate, [0.0, 0.0, 4.0])[None], faces)
    camera = Camera(np.array([[8.0, 0, 3.5], [0, 8.0, 3.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (8, 8))
    depth, part = render_depth_and_part(build_frame_mesh([near, far], 0), camera)
    # The near plate projects to +-1 pixel about (3.5, 3.5), the far one to +-2.
    expected = np.full((8, 8), BACKGROUND)
    expected[2:6, 2:6] = 3
    expected[3:5, 3:5] = 2
    np.testing.assert_array_equal(part, expected)
    np.testing.assert_allclose(depth[expected == 2], 2.0, rtol=1e-6)
    np.testing.assert_allclose(depth[expected == 3], 4.0, rtol=1e-6)
    assert np.isinf(depth[expected == BACKGROUND]).all()


def test_a_part_that_was_not_recorded_is_left_out_of_its_frame():
    plate = np.array([[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [1.0, 1.0, 2.0]])
    gone = plate.copy()
    gone[1, 2] = np.nan
    faces = np.array([[0, 1, 2]])
    one, two = Surface(2, np.stack([plate, gone]), faces), Surface(3, np.stack([plate, plate]), faces)
    assert one.recorded.tolist() == [True, False]
    assert build_frame_mesh([one, two], 0).part.tolist() == [2, 3]
    assert build_frame_mesh([one, two], 1).part.tolist() == [3]
    assert build_frame_mesh([one, two], 1).surface.tolist() == [1]
    assert [len(place_parts([one, two], frame)) for frame in (0, 1)] == [2, 1]
    camera = Camera(np.array([[8.0, 0, 3.5], [0, 8.0, 3.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (8, 8))
    depth, part = render_depth_and_part(build_frame_mesh([one], 1), camera)
    assert np.isinf(depth).all()
    assert (part == BACKGROUND).all()


def test_a_bounding_box_has_the_lowest_and_highest_pixel():
    low, high = bounding_box(np.array([[3.0, -1.0], [2.0, 5.0]]))
    assert (low.tolist(), high.tolist()) == ([2.0, -1.0], [3.0, 5.0])


def test_a_surface_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="part 1: vertices"):
        Surface(1, np.zeros((4, 3)), np.zeros((1, 3), int))


def test_the_hull_of_a_rigid_part_bounds_all_of_its_vertices():
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(500, 3))
    surface = Surface(2, rest[None], np.array([[0, 1, 2]]), rest, np.eye(4)[None])
    assert len(surface.hull) < 100
    ways = rng.normal(size=(200, 3))
    np.testing.assert_array_equal((rest[surface.hull] @ ways.T).max(axis=0), (rest @ ways.T).max(axis=0))


@pytest.mark.parametrize("rest", [None, np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0.2, 0.2, 0]])])
def test_the_hull_of_a_flat_part_or_a_hand_has_all_vertices(rest):
    surface = Surface(0, np.zeros((2, 4, 3)), np.array([[0, 1, 2]]), rest)
    assert surface.hull.tolist() == [0, 1, 2, 3]


def test_a_caster_is_built_once_per_frame():
    surface = Surface(0, np.random.default_rng(0).normal(size=(2, 3, 3)), np.array([[0, 1, 2]]))
    assert surface.caster(0) is surface.caster(0)
    assert surface.caster(0) is not surface.caster(1)
