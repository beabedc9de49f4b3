"""The metrics of hands and objects on whole clips: alignment, masks, pairing, rows of views and parts, and what they need."""

from dataclasses import replace

import numpy as np
import plain_interaction as plain
import plain_motion
import pytest

from hoibench.clip import PARTS
from hoibench.evaluation.measure import measure as measure_or_reason
from hoibench.metric_card import all_cards
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Undefined
from hoibench.rigid_object import OBJECT_PARTS, RigidObject

OBJECT_METRICS = ("rigidity@1", "object_rotation@1", "object_translation@1", "object_add@1")
ERRORS = ("hand_error@1", "object_error@1")
AXIS = np.array([0.0, 0.6, 0.8])


def with_objects(clip, axes=(None, None)):
    """The clip with the shapes and poses of its objects, which swing without turning; the mesh is a single triangle."""
    objects = []
    for index, axis in zip(OBJECT_PARTS, axes, strict=True):
        t = clip.tracks.world[:, np.flatnonzero(clip.tracks.part == index)[0]].astype(float)
        turns = np.stack([np.eye(3)] * clip.frames)
        objects.append(RigidObject(index, np.eye(3), np.array([[0, 1, 2]]), turns, t, axis))
    return replace(clip, load_objects=lambda: tuple(objects))


@pytest.fixture(scope="module")
def clip(build_clip):
    return with_objects(build_clip(seed=2, frames=5, points=80))


@pytest.fixture(scope="module")
def turning(build_clip):
    """A clip with moving cameras whose tool turns, and is not recorded in the last frame; the tool has an axis of symmetry."""
    clip = build_clip(seed=5, frames=5, points=80, moving=True)
    tool = clip.tracks.part == OBJECT_PARTS[0]
    angles = 0.2 * np.arange(clip.frames)
    turns = np.zeros((clip.frames, 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angles)
    turns[:, 1, 0], turns[:, 0, 1], turns[:, 2, 2] = np.sin(angles), -np.sin(angles), 1.0
    world = clip.tracks.world.astype(float)
    centre = world[0, tool].mean(axis=0)
    world[:, tool] = (world[0, tool] - centre) @ turns.mT + centre + 0.02 * np.arange(clip.frames)[:, None, None]
    recorded = np.ones(world.shape[:2], dtype=bool)
    recorded[-1, tool] = False
    visible = clip.tracks.visible & recorded
    tracks = replace(clip.tracks, world=world.astype(np.float32), visible=visible, recorded=recorded)
    return with_objects(replace(clip, tracks=tracks), (AXIS, None))


@pytest.fixture(scope="module")
def noisy(predict):
    """A prediction with 1 cm of noise and most of the points, at 0.7 times the size unless its scale is metric."""

    def build(clip, scale="metric"):
        prediction = predict(clip, "gt_noise_1cm")
        valid = np.random.default_rng(1).random(prediction.valid.shape) < 0.85
        size = np.float32(1.0 if scale == "metric" else 0.7)
        return replace(prediction, tracks=size * prediction.tracks, valid=valid, scale=scale)

    return build


@pytest.mark.parametrize("scale", ["metric", "shared", "per_view"])
def test_values_equal_their_restatement(turning, noisy, scale, measure_headline):
    prediction = noisy(turning, scale)
    cameras, world, part = turning.cameras, turning.tracks.world.astype(float), turning.tracks.part
    frames = [[plain_motion.pose(camera, n) for n in range(turning.frames)] for camera in cameras]
    X = np.array(
        [[[plain_motion.camera_point(x, *p) for x in w] for w, p in zip(world, v, strict=True)] for v in frames]
    )
    m = turning.tracks.visible & turning.tracks.visible[:, :1]
    P, valid = prediction.tracks.astype(float), prediction.valid
    if scale == "shared":
        P = P * plain_motion.scale(P, X, m & valid)
    if scale == "per_view":
        P = np.stack([P[v] * plain_motion.scale(P[v], X[v], (m & valid)[v]) for v in range(len(P))])
    arguments = (P, world, cameras, part, m, valid)
    expected = dict(zip(OBJECT_METRICS, plain.objects(*arguments, axes=(AXIS, None)).values(), strict=True))
    expected |= dict(zip(ERRORS, (plain.part_error(*arguments, parts) for parts in ((0, 1), (2, 3))), strict=True))
    for metric, value in expected.items():
        row = measure_headline(metric, prediction, turning)
        assert row.value == pytest.approx(value, rel=1e-8), metric
        assert row.alignment == ("none" if scale == "metric" else scale)


def test_truth_scores_zero_and_no_answer_the_cap(clip, turning, predict, measure_headline):
    for each in (clip, turning):
        truth = predict(each)
        for metric in (*OBJECT_METRICS, *ERRORS):
            row = measure_headline(metric, truth, each)
            assert row.value < (1e-3 if metric == "object_rotation@1" else 1e-6), metric
            assert row.coverage == 1.0
            none = measure_headline(metric, replace(truth, valid=np.zeros_like(truth.valid)), each)
            assert none.value == pytest.approx(none.cap or all_cards()[metric].cap), metric
            assert none.coverage == 0.0


def test_rows_of_views_and_parts_add_up_to_the_clip_s(clip, noisy, measure):
    for metric in OBJECT_METRICS:
        rows = measure(metric, noisy(clip), clip)
        views, parts, headline = rows[:3], rows[3:5], rows[5]
        assert [row.view for row in views] == ["left", "center", "right"]
        assert [row.part for row in parts] == ["tool", "target"]
        assert headline.value == pytest.approx(np.mean([row.value for row in views]))
        assert headline.n_scored == sum(row.n_scored for row in views) == sum(row.n_scored for row in parts)
        assert headline.n_expected == 3 * 2 * (clip.frames - 1) == sum(row.n_expected for row in parts)
    for metric, own in zip(ERRORS, (PARTS[:2], PARTS[2:]), strict=True):
        rows = measure(metric, noisy(clip), clip)
        assert [row.part for row in rows if row.part] == list(own)
        assert [row.view for row in rows if row.view] == ["left", "center", "right"]


def test_what_is_hidden_is_left_out_and_counted(clip, predict, measure):
    """A tool that no view sees leaves the target; a view that sees no object leaves the others."""
    hidden = clip.tracks.visible & (clip.tracks.part != OBJECT_PARTS[0])
    hidden[0] &= clip.tracks.part < 2
    unseen = replace(clip, tracks=replace(clip.tracks, visible=hidden))
    for metric in OBJECT_METRICS:
        rows = measure(metric, predict(unseen, "gt_noise_1cm"), unseen)
        assert [row.status for row in rows] == ["undefined", "ok", "ok", "undefined", "ok", "ok"]
        assert (rows[-1].n_scored, rows[-1].n_expected) == (2 * (clip.frames - 1), 6 * (clip.frames - 1))
    nothing = replace(clip, tracks=replace(clip.tracks, visible=hidden & (clip.tracks.part < 2)))
    for metric in OBJECT_METRICS:
        with pytest.raises(Undefined, match="no object has enough true points"):
            measure(metric, predict(nothing), nothing)


def test_more_tracks_than_true_points_are_paired(clip, predict, measure_headline):
    """A method that chooses its own points: twice as many, in another order."""
    truth = predict(clip, "gt_noise_1cm", valid=None)
    order = np.random.default_rng(0).permutation(2 * truth.tracks.shape[2])
    twice = [np.concatenate([each, each + 0.5], axis=2)[:, :, order] for each in (truth.tracks,)]
    anchors = np.concatenate([truth.anchors, truth.anchors + 50.0], axis=1)[:, order]
    other = replace(truth, tracks=twice[0].astype(np.float32), anchors=anchors)
    for metric in (*OBJECT_METRICS, *ERRORS):
        expected = measure_headline(metric, truth, clip, pairing="anchor")
        row = measure_headline(metric, other, clip, pairing="anchor")
        assert row.value == pytest.approx(expected.value, rel=1e-6)
        assert 0 <= row.details["pairing_floor"] < 1e-3


def test_a_turn_about_an_axis_of_symmetry_is_not_an_error(turning, measure_headline, predict):
    """Without the axis, holding the tool's orientation is an error of the mean turn of its recorded frames, 23 degrees; the target rests."""
    upright = with_objects(turning, (np.array([0.0, 0.0, 1.0]), None))  # it turns about z
    plain_tool = with_objects(turning, (None, None))
    held = np.repeat(turning.tracks.world[:1], turning.frames, axis=0)
    still = replace(predict(replace(turning, tracks=replace(turning.tracks, world=held))), valid=None)
    found = [measure_headline("object_rotation@1", still, each) for each in (upright, plain_tool)]
    assert [row.details["axially_symmetric"] for row in found] == [["tool"], []]
    assert found[0].value < 1e-3
    assert found[1].value == pytest.approx(np.degrees(0.2 * np.mean([1, 2, 3])) / 2, rel=1e-3)


def test_the_rotation_needs_the_objects_of_the_clip(clip, predict):
    bare = replace(clip, load_objects=None)
    card = all_cards()["object_rotation@1"]
    (row,) = measure_or_reason(Case(predict(bare), bare), card)
    assert row.status == "not_applicable" and "hoibench data prepare" in row.reason


def test_following_is_that_of_the_slower_object(clip, predict, measure, measure_headline):
    """The target rests, so it is not asked; with hands alone in motion nothing follows."""
    truth = predict(clip)
    assert measure_headline("object_following@1", truth, clip).value == pytest.approx(1.0, abs=1e-5)
    assert [row.status for row in measure("object_following@1", truth, clip)] == ["ok", "undefined", "ok"]
    still = predict(clip, "frozen")
    tracks = np.where((clip.tracks.part < 2)[:, None], truth.tracks, still.tracks)
    assert measure_headline("object_following@1", replace(truth, tracks=tracks), clip).value == pytest.approx(0.0)
    at_rest = replace(clip, tracks=replace(clip.tracks, world=np.repeat(clip.tracks.world[:1], clip.frames, axis=0)))
    with pytest.raises(Undefined, match="move less than 1 cm"):
        measure("object_following@1", truth, at_rest)
