import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.inventory.fingerprint import REFERENCE, print_camera, values_digest
from hoibench.geometry import optical_centre

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
ARRAYS = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=FLOATS)


@given(ARRAYS)
def test_a_digest_is_of_values_however_they_are_stored(array):
    digest = values_digest(array)
    assert digest == values_digest(array.astype(np.float64))
    assert digest == values_digest(np.asfortranarray(array))
    assert digest == values_digest(array.astype(">f4"))
    if not np.isnan(array).any():
        assert digest == hashlib.sha256(array.astype("<f4").tobytes()).hexdigest()


@given(ARRAYS, st.data())
def test_a_digest_changes_with_any_value(array, data):
    place = data.draw(st.integers(0, array.size - 1))
    changed = array.copy()
    changed.flat[place] = 1.0 if np.isnan(changed.flat[place]) else changed.flat[place] + 1e6
    assert values_digest(changed) != values_digest(array)


def test_one_nan_is_like_another():
    one = np.array([np.nan], np.float32)
    other = one.copy()
    other.view(np.uint32)[0] ^= 1
    assert one.tobytes() != other.tobytes()
    assert values_digest(one) == values_digest(other)


def calibration(size=REFERENCE):
    K = np.array([[9646.7, 0.0, 1924.0], [0.0, 9698.1, 1363.5], [0.0, 0.0, 1.0]])
    turned = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    ratio = np.array([size[1] / REFERENCE[1], size[0] / REFERENCE[0], 1.0])  # as the resized copies scale K
    return Calibration(K * ratio[:, None], turned, np.array([0.1, 0.2, 1.7]), size)


def test_golden():
    found = print_camera(calibration())
    assert found.intrinsics == (9646.7, 9698.1, 1924.0, 1363.5)
    assert found.rotation == (1, 0, 0, 0, 0, -1, 0, 1, 0)
    assert found.centre == (-0.1, -1.7, 0.2)


@given(st.sampled_from([(376, 512), (1500, 2048), (750, 1024)]))
def test_a_resized_copy_has_the_same_print(size):
    assert calibration(size).K[1, 1] == pytest.approx(9698.1 * size[0] / 3000)
    assert print_camera(calibration(size)).differences(print_camera(calibration())) == []


def test_what_is_another_camera_is_said():
    camera = print_camera(calibration())
    assert camera.differences(camera) == []
    small = replace(camera, intrinsics=(9647.1, 9698.1, 1924.0, 1363.1), centre=(-0.1009, -1.7, 0.2))
    assert camera.differences(small) == []
    zoomed = replace(camera, intrinsics=(9647.3, 9698.1, 1924.0, 1363.5))
    assert camera.differences(zoomed) == [
        "fx, fy, cx, cy are 9646.7, 9698.1, 1924, 1363.5 against 9647.3, 9698.1, 1924, 1363.5 px at 4096x3000"
    ]
    turned = replace(camera, rotation=(-1, 0, 0, 0, 0, -1, 0, -1, 0))
    assert camera.differences(turned) == ["looks along 0, 1, 0 against 0, -1, 0, or is rolled"]
    moved = replace(camera, centre=(-0.1, -1.698, 0.2))
    assert camera.differences(moved) == ["is at -0.1, -1.7, 0.2 against -0.1, -1.698, 0.2 m"]


@pytest.mark.field
def test_the_real_record_of_the_resized_mirror(field_data):
    """fx at 4096 columns as the rig was measured, and a native copy with the same print."""
    record = read_calibration(field_data / "taco" / "calibration_20230927_027_512x376.json")
    prints = {serial: print_camera(camera) for serial, camera in record.items()}
    assert len(prints) == 12
    assert prints["22139916"].intrinsics[0] == pytest.approx(9647, abs=1)
    assert prints["21218078"].intrinsics[0] == pytest.approx(2466, abs=1)
    for serial, camera in record.items():
        assert camera.size == (376, 512)
        native = camera.camera(REFERENCE)
        assert native.K[1, 1] == pytest.approx(camera.K[1, 1] * 3000 / 376)
        copy = Calibration(native.K.astype(np.float32).astype(float), native.R, native.t, REFERENCE)
        assert prints[serial].differences(print_camera(copy)) == []
        assert np.allclose(prints[serial].centre, optical_centre(camera.R, camera.t), atol=1e-4)
