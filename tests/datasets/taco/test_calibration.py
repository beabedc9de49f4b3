import json
import math

import cv2
import numpy as np
import pytest
import taco_tree

from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.rig import rig
from hoibench.geometry import crop_intrinsics, optical_centre, project, resize_intrinsics, to_camera

GOOD = {
    "K": [100.0, 0.0, 49.5, 0.0, 104.0, 39.5, 0.0, 0.0, 1.0],
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
        np.testing.assert_array_equal(camera.K, [[100, 0, 49.5], [0, 104, 39.5], [0, 0, 1]])
        np.testing.assert_array_equal(camera.t, [0.1, 0.2, 0.3])
        assert camera.size == (80, 100)


def test_for_a_larger_video_each_axis_of_K_scales_by_its_own_ratio(tmp_path):
    camera = read_calibration(write(tmp_path / "calibration.json"))["123"].camera((160, 250))
    np.testing.assert_array_equal(camera.K, [[250, 0, 123.75], [0, 208, 79], [0, 0, 1]])
    assert camera.size == (160, 250)


def test_for_a_smaller_video_pixel_areas_stay_aligned(tmp_path):
    calibration = read_calibration(write(tmp_path / "calibration.json"))["123"]
    np.testing.assert_allclose(calibration.camera((20, 50)).K, [[50, 0, 24.5], [0, 26, 9.5], [0, 0, 1]])
    np.testing.assert_array_equal(calibration.camera(calibration.size).K, calibration.K)


@pytest.mark.parametrize("size", [(376, 512), (1500, 2048), (600, 900)])
def test_K_agrees_with_a_resized_image_of_dots(size):
    """Draw dots at native pixels, resize the image by area, and measure each dot."""
    native = (3000, 4096)
    K = np.array([[9600.0, 0.0, 2100.0], [0.0, 9700.0, 1450.0], [0.0, 0.0, 1.0]])
    dots = np.array([(u, v) for u in (97, 1203, 2048, 3001, 4002) for v in (61, 777, 1500, 2930)])
    picture = np.zeros(native, np.float32)
    dot = np.exp(-(np.arange(-60, 61) ** 2) / (2 * 12.0**2))
    for u, v in dots:
        picture[v - 60 : v + 61, u - 60 : u + 61] = np.outer(dot, dot)
    small = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    points = np.linalg.solve(K, np.c_[dots, np.ones(len(dots))].T).T * 1.7
    seen = project(points, Calibration(K, np.eye(3), np.zeros(3), native).camera(size).K)
    reach = math.ceil(60 * size[1] / native[1]) + 2
    for near in seen:
        left, top = np.maximum(np.rint(near).astype(int) - reach, 0)
        part = small[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        rows, columns = np.indices(part.shape)
        centroid = np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum() + [left, top]
        np.testing.assert_allclose(near, centroid, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"R": (2.0 * np.eye(3)).ravel().tolist()}, "R is not a rotation"),
        ({"R": np.diag([1.0, 1.0, -1.0]).ravel().tolist()}, "R is not a rotation"),
        ({"K": [1.0, 2.0]}, r"K: \[1.0, 2.0\] is not an array of shape \(3, 3\)"),
        ({"T": [0.0, float("nan"), 0.0]}, "T: has NaN"),
        ({"T": ["a", "b", "c"]}, "T: "),
        ({"imgSize": [0, 80]}, "imgSize is"),
        ({"K": None, "imgSize": None}, "the key 'K' is missing; the key 'imgSize' is missing"),
        ({"K": [-100.0, 0, 49.5, 0, 110.0, 39.5, 0, 0, 1.0]}, "positive focal lengths"),
        ({"K": [100.0, 0, 49.5, 0, 110.0, 39.5, 0, 0, 2.0]}, "last row 0, 0, 1"),
    ],
)
def test_an_invalid_camera_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"calibration.json: camera 123.*{message}"):
        read_calibration(write(tmp_path / "calibration.json", **changes))


@pytest.mark.parametrize(
    ("centre", "size", "fits"),
    [
        ((2048.0, 1500.0), [512, 376], "4096x3000"),
        ((256.0, 188.0), [4096, 3000], "512x376"),
        ((1000.0, 700.0), [4096, 3000], "2048x1500"),
        ((20.0, 15.0), [4096, 3000], "about 40x30"),
        ((256.0, 300.0), [512, 376], "about 512x600"),
    ],
)
def test_K_of_another_resolution_names_the_resolution_it_fits(tmp_path, centre, size, fits):
    K = [100.0, 0.0, centre[0], 0.0, 100.0, centre[1], 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match=rf"camera 123: K is of another resolution.*.*fits .*{fits}"):
        read_calibration(write(tmp_path / "calibration.json", K=K, imgSize=size))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"1": 2}'])
def test_a_file_that_is_not_a_calibration_is_named(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"calibration\.json is not"):
        read_calibration(path)


def test_a_missing_calibration_names_its_zip(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download Allocentric_Camera_Parameters\.zip"):
        read_calibration(tmp_path / "calibration.json")


@pytest.fixture(scope="session")
def real(field_data):
    """The released record of sequence 20230927_027, as the mirror of 512x376 has it."""
    return read_calibration(field_data / "taco" / "calibration_20230927_027_512x376.json")


@pytest.mark.field
def test_cameras_of_the_real_record_see_the_workspace_centre(real):
    assert set(real) == set(rig().cameras)
    assert {camera.size for camera in real.values()} == {(376, 512)}
    np.testing.assert_allclose(optical_centre(real["22070938"].R, real["22070938"].t), [-0.23, 1.47, 1.09], atol=0.01)
    for calibration in real.values():
        for size in ((376, 512), (3000, 4096)):
            camera = calibration.camera(size)
            centre = to_camera(np.array([rig().look_at]), camera.R, camera.t)
            assert centre[0, 2] > 1.0
            (u, v), *_ = project(centre, camera.K)
            assert 0 < u < size[1]
            assert 0 < v < size[0]
    # fx = 9533 px at 4096 columns: the mirror's x axis is scaled by 512 / 4096.
    assert real["22070938"].camera((3000, 4096)).K[0, 0] == pytest.approx(9533, abs=1)


@pytest.mark.field
def test_scaling_cropping_and_resizing_K_agree_with_moving_the_pixels_themselves(real):
    """A point projected by the record's own K, its pixel then moved by hand: back to 4096x3000 as the mirror scaled it, cut out, resized to 480x704.

    The copy scales pixels by the plain ratio of sizes, the resizing of a picture keeps their areas aligned.
    """
    points = np.asarray(rig().look_at) + np.random.default_rng(0).uniform(-0.15, 0.15, (200, 3))
    top, left, height, width = 400, 1100, 1500, 2200
    for calibration in real.values():
        in_camera = to_camera(points, calibration.R, calibration.t)
        seen = project(in_camera, calibration.K)
        native = seen * [4096 / 512, 3000 / 376]
        moved = (native - [left, top] + 0.5) * [704 / width, 480 / height] - 0.5
        K = calibration.camera((3000, 4096)).K
        np.testing.assert_allclose(project(in_camera, K), native, atol=1e-6)
        protocol = resize_intrinsics(crop_intrinsics(K, top, left), (height, width), (480, 704))
        np.testing.assert_allclose(project(in_camera, protocol), moved, atol=1e-6)


@pytest.mark.field
def test_the_real_K_under_another_imgSize_is_refused(field_data, tmp_path):
    table = json.loads((field_data / "taco" / "calibration_20230927_027_512x376.json").read_text())
    for serial, entry in table.items():
        (tmp_path / "calibration.json").write_text(json.dumps({serial: {**entry, "imgSize": [4096, 3000]}}))
        with pytest.raises(ValueError, match="another resolution.*512x376"):
            read_calibration(tmp_path / "calibration.json")


def test_a_duplicate_camera_is_an_error(tmp_path, taco):
    text = taco.sequence(taco_tree.HIT.key).calibration.read_text()
    entry = json.dumps(json.loads(text)["22139909"])
    path = tmp_path / "calibration.json"
    path.write_text(f'{{"22139909": {entry}, "22139909": {entry}}}')
    with pytest.raises(ValueError, match=r"calibration\.json is not JSON \(duplicate key '22139909'\)"):
        read_calibration(path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"22139909": {"imgSize": [' + "9" * 5000 + ", 1]}}", "\0"])
def test_hostile_json_names_the_file(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"calibration\.json"):
        read_calibration(path)


@pytest.mark.parametrize("change", [(0.5, 0.5), (2.0, 2.0), (1.5, 1.0), (1.0, 0.9)])
def test_focal_lengths_of_another_lens_are_an_error(tmp_path, taco, change):
    table = json.loads(taco.sequence(taco_tree.HIT.key).calibration.read_text())
    for index, factor in zip((0, 4), change, strict=True):
        table["22139909"]["K"][index] *= factor
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match=r"camera 22139909: K has focal lengths .* expected about"):
        read_calibration(path)


@pytest.mark.parametrize(("share", "read"), [(0.295, False), (0.305, True), (0.695, True), (0.705, False)])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_principal_point_is_in_the_middle_two_fifths(tmp_path, axis, share, read):
    centre = [0.5, 0.5]
    centre[axis] = share
    K = [1000.0, 0.0, centre[0] * 4096, 0.0, 1000.0, centre[1] * 3000, 0.0, 0.0, 1.0]
    path = write(tmp_path / "calibration.json", K=K, imgSize=[4096, 3000])
    if read:
        assert read_calibration(path)["123"].K[axis, 2] == K[2 + 3 * axis]
    else:
        with pytest.raises(ValueError, match="K is of another resolution"):
            read_calibration(path)


@pytest.mark.parametrize(
    ("fx", "fy", "read"),
    [
        (1.0, 1.0 / 1.04, True), (1.0, 1.0 / 1.06, False), (1.0, 1.04, True), (1.0, 1.06, False),
        (1.58, 1.58, True), (1.62, 1.62, False), (1.0 / 1.58, 1.0 / 1.58, True), (1.0 / 1.62, 1.0 / 1.62, False),
    ],
)  # fmt: skip
def test_focal_lengths_are_similar_and_near_the_usual_ones(tmp_path, fx, fy, read):
    serial, usual = "22139909", rig().cameras["22139909"].focal / 8
    entry = {**GOOD, "imgSize": [512, 376], "K": [usual * fx, 0, 256.0, 0, usual * fy, 188.0, 0, 0, 1.0]}
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({serial: entry}))
    if read:
        assert read_calibration(path)[serial].K[0, 0] == usual * fx
    else:
        with pytest.raises(ValueError, match=f"camera {serial}: K has focal lengths .* expected about {usual:.1f}"):
            read_calibration(path)


def test_the_intrinsics_of_a_crop_need_not_be_those_of_the_lens(tmp_path):
    K = [300.0, 0.0, -40.0, 0.0, 300.0, 39.5, 0.0, 0.0, 1.0]
    path = write(tmp_path / "calibration.json", K=K, cropped=True)
    np.testing.assert_array_equal(read_calibration(path)["123"].K, np.reshape(K, (3, 3)))
    with pytest.raises(ValueError, match="K is of another resolution"):
        read_calibration(write(path, K=K))
