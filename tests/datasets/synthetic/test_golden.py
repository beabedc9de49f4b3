import numpy as np
import pytest
from synthetic_golden import FOLDER, chosen_triplets, contents, differences, objects, reach_contents, read_golden

from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.synthetic.dataset import REACH_VERSION, VERSION


@pytest.fixture(scope="module")
def golden():
    return read_golden()


def test_the_content_is_that_of_the_declared_version(golden, tmp_path):
    """For an intended change, raise VERSION and run tests/support/synthetic_golden.py."""
    assert differences(golden, contents(tmp_path)) == []


def test_the_content_of_synthetic_reach_is_that_of_its_declared_version():
    """For an intended change, raise REACH_VERSION and run tests/support/synthetic_golden.py."""
    assert differences(read_golden(REACH_VERSION), reach_contents()) == []


def test_the_golden_scenes_have_every_action_tool_target_and_person(golden):
    for chosen, known in zip(
        zip(*chosen_triplets(), strict=True), zip(*catalogue().triplets, strict=True), strict=True
    ):
        assert set(chosen) == set(known)
    assert len(np.unique(golden["scenes/betas"][:, 0], axis=0)) == 4
    assert len(golden["pictures"]) == 12


@pytest.mark.parametrize("place", [0, 20_000, -1])
def test_a_moved_vertex_is_detected(golden, place):
    found = objects()["objects/vertices"].copy()
    found[place, 1] += 2e-5
    assert differences({"v": golden["objects/vertices"]}, {"v": found}) == ["v: differs by up to 2e-05"]


def test_a_turned_face_is_detected(golden):
    found = golden | {"objects/faces": golden["objects/faces"].copy()}
    found["objects/faces"][7, 0] ^= 1
    assert differences(golden, found) == ["objects/faces: differs"]


def test_rounding_is_not_a_change(golden):
    found = {name: array + 4e-6 if array.dtype.kind == "f" else array for name, array in golden.items()}
    assert differences(golden, found) == []


@pytest.mark.parametrize(("levels", "pixels", "detected"), [(1, 128 * 192, False), (2, 24, False), (2, 25, True)])
def test_pictures_may_differ_by_a_level_and_in_one_pixel_of_a_thousand(golden, levels, pixels, detected):
    pictures = golden["pictures"].copy()
    changed = pictures[3].reshape(-1, 3)
    changed[:pixels, 2] = np.where(
        changed[:pixels, 2] < 128, changed[:pixels, 2] + levels, changed[:pixels, 2] - levels
    )
    found = differences(golden, golden | {"pictures": pictures})
    assert found == (["pictures: only 99.90 % agree in view 3"] if detected else [])


def test_another_count_and_other_arrays_are_detected(golden):
    assert differences(golden, golden | {"objects/counts": golden["objects/counts"][1:]})[0].startswith(
        "objects/counts: shape"
    )
    assert differences(golden, {"x": np.zeros(1)})[0].startswith("other arrays: ")


def test_the_golden_files_stay_small():
    assert sum((FOLDER / f"{version}.npz").stat().st_size for version in (VERSION, REACH_VERSION)) < 2 * 2**20
