import itertools

import numpy as np
import pytest

from hoibench.clip import CLUSTERS
from hoibench.datasets.synthetic.cameras import MARGIN, SIZE, SOURCE_CAMERA, TRIO, build_camera, zoom_to
from hoibench.datasets.taco.calibration import read_calibration
from hoibench.datasets.taco.rig import rig
from hoibench.geometry import is_rigid, optical_centre, project, to_camera


def test_the_trio_has_one_camera_of_each_cluster_in_order():
    assert tuple(rig().cluster(serial) for serial in TRIO) == CLUSTERS
    assert SOURCE_CAMERA not in TRIO


def test_every_pair_of_the_trio_is_at_most_45_degrees_apart():
    look_at = np.asarray(rig().look_at)
    rays = [optical_centre(c.R, c.t) - look_at for c in map(build_camera, TRIO)]
    for a, b in itertools.combinations(rays, 2):
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert np.degrees(np.arccos(cosine)) <= 45.0


@pytest.mark.parametrize("serial", sorted(rig().cameras))
def test_every_camera_is_upright_and_faces_the_look_at_point(serial):
    camera = build_camera(serial)
    assert is_rigid(camera.R, 1e-12)
    centre = to_camera(np.array([rig().look_at]), camera.R, camera.t)
    np.testing.assert_allclose(centre, [[0.0, 0.0, rig().cameras[serial].distance]], atol=1e-9)
    np.testing.assert_allclose(project(centre, camera.K), [[(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2]])
    # Up in the world is up in the image.
    above = to_camera(np.add([rig().look_at], [0.0, 0.0, 0.01]), camera.R, camera.t)
    assert above[0, 1] < 0.0
    assert abs(above[0, 0]) < 1e-9


def test_an_unknown_serial_is_named():
    with pytest.raises(ValueError, match="'1234'"):
        build_camera("1234")


@pytest.mark.field
@pytest.mark.parametrize("serial", sorted(rig().cameras))
def test_cameras_have_the_positions_and_focal_lengths_of_tacos_cameras(field_data, serial):
    real = read_calibration(field_data / "taco" / "calibration_20230927_027_512x376.json")[serial]
    ours = build_camera(serial)
    gap = optical_centre(real.R, real.t) - optical_centre(ours.R, ours.t)
    assert np.linalg.norm(gap) < 0.02
    # TACO's cameras miss the common point by less than half of their half field of view.
    half_of_view = np.arctan(real.size[1] / 2 / real.K[0, 0])
    assert np.arccos(real.R[2] @ ours.R[2]) < half_of_view / 2
    assert ours.K[0, 0] / SIZE[1] == pytest.approx(real.K[0, 0] / real.size[1], rel=1e-3)


def test_a_zoomed_camera_shows_the_points_with_the_margin():
    camera = build_camera(TRIO[1])
    points = np.asarray(rig().look_at) + np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    zoomed = zoom_to(camera, points)
    pixels = project(to_camera(points, zoomed.R, zoomed.t), zoomed.K)
    extent, size = np.ptp(pixels, axis=0), np.array(SIZE[::-1])
    np.testing.assert_allclose((pixels.min(axis=0) + pixels.max(axis=0)) / 2, (size - 1) / 2)
    np.testing.assert_allclose(((1.0 + MARGIN) * extent / size).max(), 1.0)
    np.testing.assert_allclose(zoomed.K[0, 0], zoomed.K[1, 1])
    np.testing.assert_array_equal(zoomed.R, camera.R)
