"""Every motion metric on whole clips, restated with plain loops from the protocol: alignment, masks, world frame, caps and parts included."""

from dataclasses import replace

import numpy as np
import plain_motion as plain
import pytest
from plain_point_protocols import scale_and_shift

from hoibench.metric_card import all_cards


def restate(clip, prediction):
    """Return the headline of every motion metric that has one for tracks paired by index, by metric id."""
    cameras, world = clip.cameras, clip.tracks.world.astype(float)
    V, N, K = clip.tracks.visible.shape
    frames = [[plain.pose(camera, n) for n in range(N)] for camera in cameras]
    X = np.array([[[plain.camera_point(x, *frames[v][n]) for x in world[n]] for n in range(N)] for v in range(V)])
    P = prediction.tracks.astype(float)
    valid = np.ones((V, N, K), bool) if prediction.valid is None else prediction.valid
    m = clip.tracks.visible & clip.tracks.visible[:, :1]
    recorded = np.broadcast_to(np.ones((N, K), bool) if clip.tracks.recorded is None else clip.tracks.recorded, m.shape)
    if prediction.scale == "shared":
        P = P * plain.scale(P, X, m & valid)
    if prediction.scale == "per_view":
        P = np.stack([P[v] * plain.scale(P[v], X[v], (m & valid)[v]) for v in range(V)])
    if prediction.scale == "scale_shift":
        P = np.stack([scale_and_shift(P[v], P[v][(m & valid)[v]], X[v][(m & valid)[v]]) for v in range(V)])
    PW = np.array([[[plain.world_point(p, *frames[v][n]) for p in P[v, n]] for n in range(N)] for v in range(V)])
    XW, D = np.broadcast_to(world, X.shape), plain.scene_size(world)
    hidden = clip.tracks.visible[:, :1] & recorded
    by_scene, by_norm = (plain.world_errors(P, world, cameras, m, valid, by) for by in ("scene", "norm"))
    literal = plain.world_errors(P, world, cameras, m, valid, "norm", cap=np.inf, missing=1.0)
    between = plain.disagreement_errors(P, world, cameras, m, valid)
    near, far = P, X  # the relative errors' points, in camera space, or in that of frame 0's camera
    if prediction.scale == "scale_shift":
        near, far = (
            np.array(
                [[[plain.camera_point(x, *frames[v][0]) for x in points[v, n]] for n in range(N)] for v in range(V)]
            )
            for points in (PW, np.broadcast_to(world, X.shape))
        )
    relative = plain.relative_errors(near, far, m, valid)
    clouds = (P, X, m, valid, recorded, valid, D, 0)
    return {
        "rpe@2": plain.percent(relative),
        "rpe@1": plain.percent(plain.relative_errors(near, far, m, valid, cap=np.inf)),
        "pi@1": plain.inliers(relative, 0.25),
        "pi_010@1": plain.inliers(relative, 0.10),
        "pi_005@1": plain.inliers(relative, 0.05),
        "rpe_all@2": plain.percent(plain.relative_errors(near, far, hidden, valid)),
        "rpe_all@1": plain.percent(plain.relative_errors(near, far, hidden, valid, cap=np.inf)),
        "chamfer@2": plain.chamfer(*clouds, 1),
        "chamfer_sq@2": plain.chamfer(*clouds, 2),
        "chamfer_paper@1": plain.chamfer_paper(P, X, valid, recorded, D, 1),
        "chamfer_paper_sq@1": plain.chamfer_paper(P, X, valid, recorded, D, 2),
        "smoothness@2": plain.smoothness(PW, XW, m, valid, D)[0],
        "smoothness@1": plain.smoothness_raw(PW, m, valid),
        "accel_error@2": plain.accel_error(PW, XW, m, valid, D),
        "motion_following@1": plain.motion_following(PW, XW, m, valid),
        "mv_rpe_scene@2": plain.percent(by_scene),
        "mv_pi_scene@1": plain.inliers(by_scene, 0.25),
        "mv_rpe_scene_all@2": plain.percent(plain.world_errors(P, world, cameras, hidden, valid, "scene")),
        "mv_rpe_world@2": plain.percent(by_norm),
        "mv_rpe_world@1": plain.percent(literal),
        "mv_pi_world@1": plain.inliers(by_norm, 0.25),
        "xv_rpe@2": plain.percent(between),
        "xv_pi@1": plain.inliers(between, 0.25),
        "reproj_px@2": plain.reprojection(P, world, cameras, m, valid),
        "details of smoothness@2": plain.smoothness(PW, XW, m, valid, D)[1:],
    }


@pytest.fixture(scope="module")
def noisy(build_clip, predict):
    """A clip whose tool is not recorded at the end, and a noisy prediction of four points in five, hidden ones too, a few of them far off."""

    def build(moving, scale):
        clip = build_clip(seed=3, frames=7, points=24, moving=moving)
        recorded = np.ones(clip.tracks.world.shape[:2], dtype=bool)
        recorded[5:, clip.tracks.part == 2] = False
        tracks = replace(clip.tracks, recorded=recorded, visible=clip.tracks.visible & recorded)
        rng = np.random.default_rng(4)
        prediction = predict(clip, "gt_noise_1cm")
        far = 2.0 * (rng.random(prediction.valid.shape) < 0.05)[..., None]
        points = ((prediction.tracks + far) * (1.0 if scale == "metric" else 0.7)).astype(np.float32)
        valid = rng.random(prediction.valid.shape) < 0.8
        return replace(clip, tracks=tracks), replace(prediction, tracks=points, valid=valid, scale=scale)

    return build


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("scale", ["metric", "shared", "per_view", "scale_shift"])
def test_every_motion_metric_equals_its_restatement(noisy, moving, scale, measure_headline):
    clip, prediction = noisy(moving, scale)
    expected = restate(clip, prediction)
    truth, ratio = expected.pop("details of smoothness@2")
    motion = {card.id for card in all_cards().values() if card.group.startswith("motion/")}
    assert expected.keys() == motion - {"scale@1"}
    for metric, value in expected.items():
        row = measure_headline(metric, prediction, clip)
        assert row.value == pytest.approx(value, rel=1e-8), metric
        if metric == "smoothness@2":
            assert (row.details["truth"], row.details["ratio"]) == pytest.approx((truth, ratio), rel=1e-8)


def test_chamfer_of_each_part_equals_its_restatement(noisy, measure):
    """The points of one part alone, as if the clip had no other."""
    clip, prediction = noisy(False, "metric")
    rows = {row.part: row.value for row in measure("chamfer@2", prediction, clip) if row.part}
    X = np.stack([plain_camera_tracks(clip, camera) for camera in clip.cameras])
    m, recorded = (
        clip.tracks.visible & clip.tracks.visible[:, :1],
        np.broadcast_to(clip.tracks.recorded, prediction.valid.shape),
    )
    size = plain.scene_size(clip.tracks.world.astype(float))
    for index, name in enumerate(rows):
        own = clip.tracks.part == index
        inputs = [
            a[:, :, own] for a in (prediction.tracks.astype(float), X, m, prediction.valid, recorded, prediction.valid)
        ]
        assert rows[name] == pytest.approx(plain.chamfer(*inputs, size, 0, 1), rel=1e-8)


def plain_camera_tracks(clip, camera):
    return [[plain.camera_point(x, camera.R, camera.t) for x in frame] for frame in clip.tracks.world.astype(float)]
