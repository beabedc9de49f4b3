"""Contact of whole cases on a toy grasp: equal to plain loops, right by hand, and independent of frame, scale and order."""

from dataclasses import replace

import grasp_scene as scene
import numpy as np
import plain_contact
import pytest
from scipy.spatial.transform import Rotation

from hoibench.clip import Camera
from hoibench.metrics.case import Case
from hoibench.metrics.contact import measure_contact_accuracy, measure_contact_depth_error
from hoibench.metrics.hand_distance import measure_hand_distances
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.rigid_object import OBJECT_PARTS, RigidObject

PAIRS = [(hand, held) for held in OBJECT_PARTS for hand in (scene.LEFT, scene.RIGHT)]


def accuracy(clip, prediction, **case):
    return list(measure_contact_accuracy(Case(prediction, clip, **case)))[-1]


def depth(clip, prediction, **case):
    return list(measure_contact_depth_error(Case(prediction, clip, **case)))[-1]


@pytest.fixture(scope="module")
def clip():
    return scene.build()


def fit(x, p):
    turn, _ = Rotation.align_vectors(p - p.mean(axis=0), x - x.mean(axis=0))
    R = turn.as_matrix()
    return R, p.mean(axis=0) - R @ x.mean(axis=0)


def plain_distances(clip, prediction):
    """Predicted and true distances of every pair, by loops; the fits by SciPy."""
    tracks, part = clip.tracks, clip.tracks.part
    pred = np.full((len(clip.views), clip.frames, len(PAIRS)), np.nan)
    truth = np.empty((clip.frames, len(PAIRS)))
    rigid = {o.part: o for o in clip.objects}
    for c, (hand, held) in enumerate(PAIRS):
        own, of_object, mesh = np.flatnonzero(part == hand), np.flatnonzero(part == held), rigid[held]
        for n in range(clip.frames):
            placed = plain_contact.place(mesh.vertices, mesh.R[n], mesh.t[n])
            truth[n, c] = plain_contact.least_distance(
                tracks.world[n, own], np.ones(len(own), bool), placed, mesh.faces, mesh.watertight
            )
            for v in range(len(clip.views)) if n else ():
                seen = of_object[prediction.valid[v, n, of_object]]
                R, t = fit(tracks.world[0, seen].astype(float), prediction.tracks[v, n, seen].astype(float))
                first = plain_contact.place(mesh.vertices, mesh.R[0], mesh.t[0])
                placed = plain_contact.place(first, R, t)
                points, valid = prediction.tracks[v, n, own], prediction.valid[v, n, own]
                pred[v, n, c] = plain_contact.least_distance(points, valid, placed, mesh.faces, mesh.watertight)
    return pred, truth


@pytest.mark.parametrize("moving", [False, True])
def test_equal_to_plain_loops(moving):
    clip = scene.build(seed=3, frames=6, hand_points=6, moving=moving)
    rng = np.random.default_rng(0)
    prediction = scene.predict(clip)
    tracks = prediction.tracks + rng.normal(0, 0.002, prediction.tracks.shape)
    valid = rng.random(tracks.shape[:3]) < 0.9
    of_objects = np.isin(clip.tracks.part, OBJECT_PARTS)
    valid |= (rng.random(valid.shape[:2]) < 0.6)[..., None] & of_objects  # both objects are complete in these frames
    prediction = replace(prediction, tracks=tracks, valid=valid)
    pred, truth = plain_distances(clip, prediction)
    found = measure_hand_distances(Case(prediction, clip))
    assert found.mask[1:].all() and not found.mask[0].any()
    mask = np.broadcast_to(found.mask, pred.shape)
    near = np.where(truth <= 0.005, 0.055, 0.005)  # farther distances are infinite
    assert found.truth == pytest.approx(np.where(truth <= 0.005, truth, np.inf), abs=1e-9)
    assert found.pred[:, 1:] == pytest.approx(np.where(pred <= near, pred, np.inf)[:, 1:], abs=1e-9)
    complete = np.stack([valid[..., clip.tracks.part == held].all(axis=-1) for _, held in PAIRS], axis=-1)
    answered = np.where(complete, pred, np.nan)
    assert accuracy(clip, prediction).value == pytest.approx(
        plain_contact.contact_accuracy(answered, truth, mask), rel=1e-9
    )
    assert depth(clip, prediction).value == pytest.approx(
        plain_contact.contact_depth_error(pred, truth, mask), rel=1e-9
    )


def test_the_truth_is_perfect_and_a_frozen_prediction_keeps_the_grasp_that_the_truth_ends(clip):
    perfect = scene.predict(clip)
    assert accuracy(clip, perfect).value == 1
    assert depth(clip, perfect).value < 1e-6
    frozen = accuracy(clip, replace(perfect, tracks=np.repeat(perfect.tracks[:, :1], clip.frames, axis=1)))
    # Of 8 frames and 4 pairs, 8 + 4 touch; the frozen right hand touches the tool in 4 more.
    assert frozen.value == pytest.approx((1 + 16 / 20) / 2) == accuracy(clip, perfect).details["frozen"]
    assert frozen.details["f1"] == pytest.approx(2 * 12 / (12 + 16))


def test_a_hand_pulled_two_centimetres_away_has_lost_its_contacts(clip):
    pulled = scene.predict(clip, scene.move_hand(clip, scene.RIGHT, scene.TOOL, 0.02))
    row = accuracy(clip, pulled)
    assert row.value == pytest.approx((8 / 12 + 1) / 2)
    assert row.details["true_contacts"] == pytest.approx(12 / 32)
    assert depth(clip, pulled).value == pytest.approx(0.02 * 4 / 12, abs=1e-6)


def test_a_hand_pushed_one_centimetre_in_is_one_centimetre_deeper(clip):
    """It touches all the same: only the depth sees it."""
    world = scene.move_hand(clip, scene.LEFT, scene.TARGET, -0.01)
    world[:, clip.tracks.part == scene.RIGHT] = scene.move_hand(clip, scene.RIGHT, scene.TOOL, -0.01)[
        :, clip.tracks.part == scene.RIGHT
    ]
    pushed = scene.predict(clip, world)
    row = depth(clip, pushed)
    assert row.value == pytest.approx(0.01, abs=1e-6)
    assert row.details["penetration"] == pytest.approx(0.008, abs=1e-6)
    assert row.details["true_penetration"] == 0
    assert accuracy(clip, pushed).value == 1


def test_no_answer_and_an_object_without_shape_are_wrong(clip):
    perfect, of_tool = scene.predict(clip), clip.tracks.part == scene.TOOL
    everywhere = np.ones(perfect.tracks.shape[:3], dtype=bool)
    without_tool, without_hand = everywhere.copy(), everywhere.copy()
    without_tool[..., of_tool] = False
    without_hand[..., clip.tracks.part == scene.RIGHT] = False
    melted = perfect.tracks.copy()
    drift = np.random.default_rng(0).normal(0, 0.02, (int(of_tool.sum()), 3))
    melted[..., of_tool, :] += drift
    for prediction in (replace(perfect, valid=without_tool), replace(perfect, tracks=melted)):
        assert accuracy(clip, prediction).value == pytest.approx((8 / 12 + 8 / 20) / 2)
    assert accuracy(clip, replace(perfect, tracks=melted)).details["not_rigid"] == 0.5
    for valid in (without_tool, without_hand):
        assert depth(clip, replace(perfect, valid=valid)).value == pytest.approx(0.05 * 4 / 12, abs=1e-6)
    one_missing = everywhere.copy()
    one_missing[..., np.flatnonzero(of_tool)[0]] = False  # the others may have been chosen because they are right
    assert accuracy(clip, replace(perfect, valid=one_missing)).value == pytest.approx((8 / 12 + 8 / 20) / 2)


def test_an_open_mesh_has_contacts_and_no_depth(clip):
    def without_upper_side(rigid):
        upper = (rigid.vertices[rigid.faces, 2] > 0).all(axis=1)
        return replace(rigid, faces=rigid.faces[~upper])

    opened = replace(clip, load_objects=lambda: (without_upper_side(clip.objects[0]), clip.objects[1]))
    perfect = scene.predict(opened)
    row = depth(opened, perfect)
    assert (row.n_scored, row.n_expected) == (3 * 8, 3 * 12)
    assert accuracy(opened, perfect).value == 1
    with pytest.raises(Undefined, match="no hand touches a watertight object"):
        depth(replace(clip, load_objects=lambda: (without_upper_side(clip.objects[1]),)), perfect)


def test_rows_are_one_per_view_and_count_what_is_recorded(clip):
    recorded = np.ones((clip.frames, len(clip.tracks.part)), dtype=bool)
    recorded[3:5, clip.tracks.part == scene.LEFT] = False
    recorded[7, clip.tracks.part == scene.TARGET] = False
    partly = replace(clip, tracks=replace(clip.tracks, visible=clip.tracks.visible & recorded, recorded=recorded))
    rows = list(measure_contact_accuracy(Case(scene.predict(partly), partly)))
    assert [row.view for row in rows] == ["left", "center", "right", None]
    # Of 8 frames and 4 pairs, the left hand lacks 2 frames of both objects, and the target 1 frame of both hands.
    assert [row.n_scored for row in rows] == [26, 26, 26, 78]
    assert [row.n_expected for row in rows] == [32, 32, 32, 96]


@pytest.mark.parametrize(("points", "counted"), [(19, 0), (20, 8 * 2)])
def test_an_object_needs_20_points_in_the_truth(points, counted):
    clip = scene.build(object_points=20)
    part = clip.tracks.part.copy()
    part[np.flatnonzero(part == scene.TOOL)[points:]] = scene.TARGET
    found = measure_hand_distances(Case(scene.predict(clip), replace(clip, tracks=replace(clip.tracks, part=part))))
    assert found.mask[:, :2].sum() == counted


def test_methods_without_hidden_points_and_other_pairings_do_not_apply(clip):
    perfect = scene.predict(clip)
    with pytest.raises(NotApplicable, match="no hidden points of hands"):
        accuracy(clip, replace(perfect, valid=clip.tracks.visible & clip.tracks.visible[:, :1]))
    with pytest.raises(NotApplicable, match="the pairing is anchor"):
        depth(clip, perfect, pairing="anchor")
    far = replace(clip, load_objects=lambda: (replace(clip.objects[0], t=clip.objects[0].t + 1.0),))
    with pytest.raises(Undefined, match="contact in 0 of 48 frames and pairs"):
        accuracy(far, perfect)
    with pytest.raises(Undefined, match="the clip has no object"):
        accuracy(replace(clip, load_objects=lambda: ()), perfect)
    with pytest.raises(NotApplicable, match="no shapes of the true objects"):
        accuracy(replace(clip, load_objects=None), perfect)


def moved_world(clip, R, t):
    """The same scene in another world frame: x -> R x + t."""
    views = tuple(
        replace(view, camera=Camera(c.K, c.R @ R.T, c.t - c.R @ R.T @ t, c.size))
        for view, c in zip(clip.views, clip.cameras, strict=True)
    )
    objects = tuple(RigidObject(o.part, o.vertices, o.faces, R @ o.R, o.t @ R.T + t) for o in clip.objects)
    world = (clip.tracks.world.astype(float) @ R.T + t).astype(np.float32)
    return replace(clip, views=views, tracks=replace(clip.tracks, world=world), load_objects=lambda: objects)


def noisy(clip, seed):
    prediction = scene.predict(clip, scene.move_hand(clip, scene.RIGHT, scene.TOOL, 0.02))
    noise = np.random.default_rng(seed).normal(0, 0.004, prediction.tracks.shape)
    return replace(prediction, tracks=prediction.tracks + noise)


@pytest.mark.parametrize("seed", range(3))
def test_frame_scale_and_order_do_not_matter(seed):
    clip = scene.build(seed, object_points=30, hand_points=17)
    prediction = noisy(clip, seed)
    values = accuracy(clip, prediction).value, depth(clip, prediction).value
    assert 0 < values[0] < 1 and 0.001 < values[1] < 0.05
    rng = np.random.default_rng(seed)
    elsewhere = moved_world(clip, Rotation.random(rng=rng).as_matrix(), rng.normal(size=3))
    order = rng.permutation(len(clip.tracks.part))
    shuffled = replace(
        clip,
        tracks=replace(
            clip.tracks,
            world=clip.tracks.world[:, order],
            visible=clip.tracks.visible[..., order],
            part=clip.tracks.part[order],
        ),
    )
    reordered = replace(prediction, tracks=prediction.tracks[:, :, order], anchors=prediction.anchors[:, order])
    for other, answer in ((elsewhere, prediction), (shuffled, reordered)):
        assert accuracy(other, answer).value == values[0]
        assert depth(other, answer).value == pytest.approx(values[1], abs=1e-6)
    metric = depth(clip, replace(prediction, scale="shared")).value
    smaller = replace(prediction, tracks=0.25 * prediction.tracks, scale="shared")
    assert depth(clip, smaller).value == pytest.approx(metric, abs=1e-9)
    assert accuracy(clip, smaller).value == accuracy(clip, replace(prediction, scale="shared")).value
