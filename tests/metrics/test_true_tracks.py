from dataclasses import replace

import numpy as np
import pytest

from hoibench.clip import Camera
from hoibench.geometry import to_camera
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.metrics.rpe import measure_rpe_all
from hoibench.metrics.true_tracks import build_true_tracks, cameras_to_world, world_to_cameras


def test_a_point_counts_where_it_is_seen_now_and_was_seen_first(toy_clip):
    truth = build_true_tracks(toy_clip)
    visible = toy_clip.tracks.visible
    for v, n, k in np.ndindex(*visible.shape):
        assert truth.mask[v, n, k] == (visible[v, 0, k] and visible[v, n, k])
    assert truth.mask.any()
    assert not truth.mask.all()


@pytest.mark.parametrize("moving", [False, True])
def test_every_camera_sees_the_points_from_its_own_pose(build_clip, moving):
    clip = build_clip(moving=moving)
    truth = build_true_tracks(clip)
    assert truth.points.dtype == np.float64
    for v, camera in enumerate(clip.cameras):
        for n in range(clip.frames):
            R, t = (camera.R[n], camera.t[n]) if moving else (camera.R, camera.t)
            assert truth.points[v, n] == pytest.approx(to_camera(truth.world[n], R, t))
    assert cameras_to_world(truth.points, clip.cameras) == pytest.approx(
        np.broadcast_to(truth.world, truth.points.shape)
    )


def test_behind_the_camera_there_is_no_pixel(toy_clip):
    truth = build_true_tracks(toy_clip)
    assert np.isfinite(truth.pixels).all()
    about = np.diag([-1.0, 1.0, -1.0])  # half a turn about y: what lay ahead lies behind
    turned = tuple(Camera(c.K, about @ c.R, about @ c.t, c.size) for c in toy_clip.cameras)
    behind = replace(truth, cameras=turned)
    assert np.isinf(behind.pixels).all()
    assert world_to_cameras(truth.world, turned) == pytest.approx(truth.points @ about)


def test_what_is_missing_is_said(toy_clip):
    with pytest.raises(NotApplicable, match="no true tracks"):
        build_true_tracks(replace(toy_clip, tracks=None))
    with pytest.raises(NotApplicable, match="the data set has no cameras"):
        build_true_tracks(replace(toy_clip, views=(replace(toy_clip.views[0], camera=None), *toy_clip.views[1:])))
    hidden = toy_clip.tracks.visible.copy()
    hidden[:, 0] = False
    with pytest.raises(Undefined, match="visible in frame 0"):
        build_true_tracks(replace(toy_clip, tracks=replace(toy_clip.tracks, visible=hidden)))


def test_what_was_not_recorded_is_not_asked_for_even_where_hidden_points_are(toy_clip, predict):
    recorded = np.ones(toy_clip.tracks.world.shape[:2], dtype=bool)
    recorded[4:6, toy_clip.tracks.part == 1] = False
    held = toy_clip.tracks.world.copy()
    held[4:6, toy_clip.tracks.part == 1] = 50.0  # must not be looked at
    visible = toy_clip.tracks.visible & recorded
    broken = replace(toy_clip, tracks=replace(toy_clip.tracks, world=held, visible=visible, recorded=recorded))
    everywhere = predict(toy_clip, valid=np.ones(visible.shape, dtype=bool))
    values = {r.view: r.value for r in measure_rpe_all(Case(everywhere, broken))}
    assert values[None] == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(ValueError, match="that was not recorded cannot be visible"):
        replace(broken.tracks, visible=toy_clip.tracks.visible | True)
