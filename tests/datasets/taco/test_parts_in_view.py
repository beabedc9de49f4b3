"""Parts that no camera sees have wrong poses."""

from dataclasses import replace

import numpy as np
import pytest
import taco_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import PARTS, Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.visibility import check_parts_in_view


@pytest.fixture(scope="module")
def recorded(taco):
    """Surfaces in three frames, and all twelve cameras."""
    recording = Recording(taco.download, taco.download.sequence(taco_tree.POUR.key), ProxyHand())
    cameras = [calibration.camera(calibration.size) for calibration in recording.calibrations.values()]
    return recording.surfaces_in([0, 90, 180]), cameras


def moved(surfaces, part, change):
    return tuple(replace(s, vertices=change(s.vertices)) if s.part == part else s for s in surfaces)


def test_recorded_parts_are_in_view(recorded):
    check_parts_in_view("k", *recorded)


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize(
    "change",
    [lambda v: v - [-10.0, 0.0, 0.0], lambda v: v - [0.0, 0.0, 10.0], lambda v: 1000.0 * v, lambda v: np.full_like(v, np.nan)],
)  # fmt: skip
def test_a_part_out_of_view_is_named(recorded, part, change):
    surfaces, cameras = recorded
    with pytest.raises(ValueError, match=f"sequence k: no camera sees the {PARTS[part]}"):
        check_parts_in_view("k", moved(surfaces, part, change), cameras)


@settings(max_examples=20, deadline=None)
@given(far=st.floats(12.0, 1000.0), azimuth=st.floats(0.0, 6.3), elevation=st.floats(-1.5, 1.5))
def test_a_part_far_away_is_out_of_view_in_every_direction(recorded, far, azimuth, elevation):
    surfaces, cameras = recorded
    way = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
    with pytest.raises(ValueError, match="no camera sees the tool"):
        check_parts_in_view("k", moved(surfaces, 2, lambda v: v + far * np.array(way)), cameras)


def test_one_frame_in_view_is_enough(recorded):
    surfaces, cameras = recorded

    def leave(vertices):
        gone = vertices.copy()
        gone[1:] += 100.0
        return gone

    check_parts_in_view("k", moved(surfaces, 2, leave), cameras)


@pytest.mark.parametrize(("distance", "seen"), [(3.99, True), (4.01, False)])
def test_a_part_over_four_metres_from_a_camera_is_out_of_view(distance, seen):
    camera = Camera(np.array([[100.0, 0, 31.5], [0, 100.0, 31.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (64, 64))
    surface = Surface(2, np.full((1, 3, 3), [0.0, 0.0, distance]), np.array([[0, 1, 2]]))
    if seen:
        check_parts_in_view("k", [surface], [camera])
    else:
        with pytest.raises(ValueError, match="no camera sees the tool"):
            check_parts_in_view("k", [surface], [camera])
