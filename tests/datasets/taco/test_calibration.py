import json

import numpy as np
import pytest

from hoibench.datasets.taco.calibration import read_calibration
from hoibench.datasets.taco.rig import rig
from hoibench.geometry import optical_centre, project, to_camera

GOOD = {
    "K": [100.0, 0.0, 49.5, 0.0, 110.0, 39.5, 0.0, 0.0, 1.0],
    "R": np.eye(3).ravel().tolist(),
    "T": [0.1, 0.2, 0.3],
    "distCoeff": [0.1, 99.0, 0.0, 0.0, -214.0],
    "imgSize": [100, 80],
    "rectifyAlpha": 0.0,
}


def write(path, **changes):
    table = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text(json.dumps({"123": table}))
    return path


def test_flat_and_nested_matrices_read_alike(tmp_path):
    nested = {name: np.reshape(GOOD[name], (3, 3)).tolist() for name in "KR"}
    for changes in ({}, nested):
        camera = read_calibration(write(tmp_path / "calibration.json", **changes))["123"]
        np.testing.assert_array_equal(camera.K, [[100, 0, 49.5], [0, 110, 39.5], [0, 0, 1]])
        np.testing.assert_array_equal(camera.t, [0.1, 0.2, 0.3])
        assert camera.size == (80, 100)


def test_each_axis_of_K_scales_by_its_own_ratio(tmp_path):
    camera = read_calibration(write(tmp_path / "calibration.json"))["123"].camera((160, 50))
    np.testing.assert_array_equal(camera.K, [[50, 0, 24.75], [0, 220, 79], [0, 0, 1]])
    assert camera.size == (160, 50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"R": (2.0 * np.eye(3)).ravel().tolist()}, "R is no rotation"),
        ({"R": np.diag([1.0, 1.0, -1.0]).ravel().tolist()}, "R is no rotation"),
        ({"K": [1.0, 2.0]}, r"K is \[1.0, 2.0\]"),
        ({"T": [0.0, float("nan"), 0.0]}, "T holds NaN"),
        ({"T": ["a", "b", "c"]}, "T is"),
        ({"imgSize": [0, 80]}, "imgSize is"),
        ({"K": None, "imgSize": None}, "has no K, imgSize"),
    ],
)
def test_a_broken_camera_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"calibration.json: camera 123.*{message}"):
        read_calibration(write(tmp_path / "calibration.json", **changes))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"1": 2}'])
def test_a_file_that_is_no_calibration_is_named(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"calibration\.json is not"):
        read_calibration(path)


def test_a_missing_file_says_what_to_download(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download Allocentric_Camera_Parameters\.zip"):
        read_calibration(tmp_path / "calibration.json")


@pytest.mark.field
def test_the_real_record_reads_and_its_cameras_see_the_table(field_data):
    cameras = read_calibration(field_data / "taco" / "calibration_20230927_027_512x376.json")
    assert set(cameras) == set(rig().cameras)
    assert {camera.size for camera in cameras.values()} == {(376, 512)}
    np.testing.assert_allclose(
        optical_centre(cameras["22070938"].R, cameras["22070938"].t), [-0.23, 1.47, 1.09], atol=0.01
    )
    for calibration in cameras.values():
        camera = calibration.camera((3000, 4096))
        centre = to_camera(np.array([rig().look_at]), camera.R, camera.t)
        assert centre[0, 2] > 1.0
        (u, v), *_ = project(centre, camera.K)
        assert 0 < u < 4096
        assert 0 < v < 3000
    # fx = 9533 px at 4096 columns: the mirror's x axis is scaled by 512 / 4096.
    assert cameras["22070938"].camera((3000, 4096)).K[0, 0] == pytest.approx(9533, abs=1)
