from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import chisquare

from hoibench.clip import CLUSTERS
from hoibench.datasets.synthetic.cameras import build_camera
from hoibench.datasets.taco.rig import rig
from splits.taco import read_table
from splits.taco_cameras import admissible_trios, draw_source, draw_trio, spread, widest_angle

KEY = st.from_regex(r"\A2023[01][0-9][0-3][0-9]_[0-9]{3}\Z")
WEIGHTS = read_table().weights
EXCLUDED = {"21218078", "22139914"}
"""Cameras in no admissible trio: the wide ones at the left and right ends."""


def test_golden():
    serials = ("22139911", "22139906", "22139946")
    assert (draw_trio("20231002_999", WEIGHTS), draw_source("20231002_999", serials)) == (serials, "22139914")


@given(KEY)
def test_a_drawn_trio_has_one_camera_of_each_cluster_and_a_source_outside_them(key):
    serials = draw_trio(key, WEIGHTS)
    assert serials in WEIGHTS
    assert tuple(rig().cluster(serial) for serial in serials) == CLUSTERS
    assert draw_source(key, serials) in rig().cameras.keys() - set(serials)


def test_trios_are_drawn_by_their_weights():
    drawn = Counter(draw_trio(f"20231002_{number:04d}", WEIGHTS) for number in range(3600))
    expected = [100 * weight for weight in WEIGHTS.values()]
    assert chisquare([drawn[trio] for trio in WEIGHTS], expected).pvalue > 1e-3


def test_angles_are_those_of_the_cameras_positions():
    cameras = {serial: build_camera(serial) for serial in rig().cameras}
    centers = {serial: -camera.R.T @ camera.t - rig().look_at for serial, camera in cameras.items()}
    for serials in admissible_trios():
        units = np.stack([centers[serial] / np.linalg.norm(centers[serial]) for serial in serials])
        assert widest_angle(serials) == pytest.approx(np.degrees(np.arccos((units @ units.T).min())), abs=1e-6)


def test_the_trios_of_the_table_are_admissible_and_use_the_cameras_of_a_cluster_equally_often():
    assert len(admissible_trios()) == 20
    assert set(admissible_trios()) > WEIGHTS.keys()
    assert {serial for trio in admissible_trios() for serial in trio} == rig().cameras.keys() - EXCLUDED
    for view in range(3):
        counts = Counter()
        for trio, weight in WEIGHTS.items():
            counts[trio[view]] += weight
        assert len(set(counts.values())) == 1
        assert counts.keys() == {trio[view] for trio in admissible_trios()}


def equal_cameras(trios):
    """Return A, b such that A x = b for the shares x of the trios if all cameras of a cluster have the same share."""
    usable = sorted({(view, trio[view]) for trio in trios for view in range(3)})
    sizes = Counter(view for view, _ in usable)
    return (
        np.array([[trio[view] == serial for trio in trios] for view, serial in usable], float),
        np.array([1 / sizes[view] for view, _ in usable]),
    )


def test_no_other_trio_is_possible_if_cameras_are_equally_frequent():
    trios = admissible_trios()
    A, b = equal_cameras(trios)
    for index, trio in enumerate(trios):
        most = -linprog(-np.eye(len(trios))[index], A_eq=A, b_eq=b).fun
        assert (most > 1e-9) == (trio in WEIGHTS)


def test_the_weights_are_as_even_as_the_cameras_allow():
    """The shares x with the least sum of squares are those in the span of the rows of A x = b; none is negative."""
    A, b = equal_cameras(list(WEIGHTS))
    assert np.linalg.pinv(A) @ b == pytest.approx(np.array(list(WEIGHTS.values())) / 36)


@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.just("e")), st.integers(0, 9)))
def test_repetitions_are_spread_evenly(weights):
    trios = spread(weights)
    assert Counter(trios) == +Counter(weights)
    for end in range(len(trios)):
        for trio, weight in weights.items():
            assert abs(trios[:end].count(trio) - weight * end / len(trios)) < 2
