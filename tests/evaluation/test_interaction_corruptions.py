"""Corruptions of hands and objects: they change the parts they name, by the distance they state, and leave the first frame."""

from functools import partial

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hoibench.clip import Prediction
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.interaction_corruptions import (
    SHIFT,
    TURN,
    collapse_tool,
    melt_objects,
    move_hand,
    move_tool,
)
from hoibench.evaluation.request import project_anchors
from hoibench.evaluation.self_test import CLIPS
from hoibench.geometry import to_camera
from hoibench.metric_card import all_cards
from hoibench.metrics.case import Case

LEFT_HAND, RIGHT_HAND, TOOL, TARGET = range(4)


@pytest.fixture
def scene():
    """A tool of the size of a hand that moves and turns, a hand at its side, and other points; (world, part)."""
    rng = np.random.default_rng(0)
    part = np.repeat([LEFT_HAND, RIGHT_HAND, TOOL, TARGET], 30)
    shape = rng.uniform(-0.05, 0.05, (120, 3)) + np.array([[-0.3, 0, 0], [0, 0.1, 0], [0, 0, 0], [0, -0.2, 0]])[part]
    turns = Rotation.from_rotvec(np.linspace(0, 1, 9)[:, None] * [[0.2, 0.3, 0.9]]).as_matrix()
    return shape @ turns.mT + np.linspace(0, 0.2, 9)[:, None, None], part


def only(world, changed, part, *expected):
    """Check that these parts alone have changed, and only after frame 0."""
    np.testing.assert_array_equal(changed[0], world[0])
    moved = (changed[1:] != world[1:]).any(axis=-1)
    np.testing.assert_array_equal(moved, np.broadcast_to(np.isin(part, expected), moved.shape))


def test_the_tool_is_moved_by_a_centimetre_and_ten_degrees(scene):
    world, part = scene
    changed = move_tool(world, part)
    only(world, changed, part, TOOL)
    before, after = world[1:, part == TOOL], changed[1:, part == TOOL]
    assert np.linalg.norm(after.mean(axis=1) - before.mean(axis=1), axis=-1) == pytest.approx(0.01)
    for a, b in zip(before, after, strict=True):
        turn, residual = Rotation.align_vectors(b - b.mean(axis=0), a - a.mean(axis=0))
        assert np.degrees(turn.magnitude()) == pytest.approx(10.0)
        assert residual < 1e-7


@pytest.mark.parametrize("distance", [0.02, -0.01])
def test_the_left_hand_is_moved_along_the_way_to_the_target(scene, distance):
    world, part = scene
    changed = move_hand(world, part, distance)
    only(world, changed, part, LEFT_HAND)
    step = (changed - world)[1:, part == LEFT_HAND]
    assert step == pytest.approx(np.broadcast_to(step[:, :1], step.shape))  # as one body
    target = world[1:, part == TARGET].mean(axis=1)
    before, after = (
        np.linalg.norm(points[1:, part == LEFT_HAND].mean(axis=1) - target, axis=-1) for points in (world, changed)
    )
    assert after - before == pytest.approx(distance)


def test_the_tool_collapses_about_its_centre(scene):
    world, part = scene
    changed = collapse_tool(world, part)
    only(world, changed, part, TOOL)
    before, after = world[1:, part == TOOL], changed[1:, part == TOOL]
    assert after.mean(axis=1) == pytest.approx(before.mean(axis=1))
    assert after.std(axis=1) == pytest.approx(0.1 * before.std(axis=1))


def test_objects_melt_to_two_centimetres(scene):
    world, part = scene
    changed = melt_objects(world, part, np.random.default_rng(0))
    only(world, changed, part, TOOL, TARGET)
    step = np.linalg.norm(changed - world, axis=-1)
    objects = np.isin(part, [TOOL, TARGET])
    assert step[-1, objects] == pytest.approx(0.02)
    assert step[4, objects] == pytest.approx(0.01)
    assert np.linalg.norm((changed - world)[-1, objects].mean(axis=0)) < 0.01  # in all directions


@pytest.fixture(scope="module")
def clip(demo_root):
    """A clip with a teapot as tool, of which every view sees enough."""
    dataset = open_dataset("synthetic", demo_root)
    return dataset.load(next(entry for entry in dataset.manifest("demo").entries if entry.id == CLIPS[0]))


def rows(clip, edit, metric):
    """Return the values of a metric on edited points by part; None is the clip's."""
    world = edit(clip.tracks.world.astype(np.float64), clip.tracks.part)
    tracks = np.stack([to_camera(world, camera.R, camera.t) for camera in clip.cameras]).astype(np.float32)
    case = Case(Prediction(tracks=tracks, anchors=project_anchors(clip)), clip)
    return {row.part: row.value for row in all_cards()[metric].load()(case) if row.view is None}


def test_the_moved_tool_is_measured_as_it_was_moved(clip):
    rotation, translation = (rows(clip, move_tool, metric) for metric in ("object_rotation@1", "object_translation@1"))
    assert (rotation["tool"], translation["tool"]) == pytest.approx((TURN, SHIFT), rel=0.01)
    assert (rotation["target"], translation["target"]) == pytest.approx((0.0, 0.0), abs=1e-4)
    assert rows(clip, move_tool, "rigidity@1")[None] < 1e-6


def shift_objects(world, part):
    """Both objects drift as one body, as far as points of melting ones."""
    shifted = world.copy()
    shifted[:, np.isin(part, [TOOL, TARGET])] += np.linspace(0, 0.02, len(world))[:, None, None] * np.array(
        [0.6, 0, 0.8]
    )
    return shifted


def test_rigidity_alone_tells_melting_objects_from_shifted_ones(clip):
    melt = partial(melt_objects, rng=np.random.default_rng(0))
    for metric in ("rpe@2", "mv_rpe_scene@2", "object_error@1"):
        assert rows(clip, melt, metric)[None] == pytest.approx(rows(clip, shift_objects, metric)[None], rel=0.02), (
            metric
        )
    for metric in ("accel_error@2", "xv_rpe@2"):
        assert rows(clip, melt, metric)[None] == pytest.approx(0.0, abs=1e-4), metric
    assert 0.009 < rows(clip, melt, "rigidity@1")[None] < 0.0105
    assert rows(clip, shift_objects, "rigidity@1")[None] < 1e-6
