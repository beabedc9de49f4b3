from dataclasses import replace

import numpy as np
import pytest

from hoibench.clip import Camera
from hoibench.geometry import to_camera
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.metrics.rpe import measure_rpe_all
from hoibench.metrics.true_tracks import build_true_tracks, cameras_to_world, world_to_cameras


def test_a_point_counts_if_visible_in_frame_0_and_in_frame_n(toy_clip):
    truth = build_true_tracks(toy_clip)
    visible = toy_clip.tracks.visible
    for v, n, k in np.ndindex(*visible.shape):
        assert truth.mask[v, n, k] == (visible[v, 0, k] and visible[v, n, k])
    assert truth.mask.any()
    assert not truth.mask.all()


@pytest.mark.parametrize("moving", [False, True])
def test_points_are_in_the_space_of_each_camera(build_clip, moving):
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


def test_points_behind_the_camera_have_infinite_pixels(toy_clip):
    truth = build_true_tracks(toy_clip)
    assert np.isfinite(truth.pixels).all()
    half_turn = np.diag([-1.0, 1.0, -1.0])  # half a turn half_turn y: points in front are then behind
    turned = tuple(Camera(c.K, half_turn @ c.R, half_turn @ c.t, c.size) for c in toy_clip.cameras)
    behind = replace(truth, cameras=turned)
    assert np.isinf(behind.pixels).all()
    assert world_to_cameras(truth.world, turned) == pytest.approx(truth.points @ half_turn)


def test_missing_tracks_cameras_or_visible_points_are_named(toy_clip):
    with pytest.raises(NotApplicable, match="no true tracks"):
        build_true_tracks(replace(toy_clip, tracks=None))
    with pytest.raises(NotApplicable, match="the data set has no cameras"):
        build_true_tracks(replace(toy_clip, views=(replace(toy_clip.views[0], camera=None), *toy_clip.views[1:])))
    hidden = toy_clip.tracks.visible.copy()
    hidden[:, 0] = False
    with pytest.raises(Undefined, match="visible in frame 0"):
        build_true_tracks(replace(toy_clip, tracks=replace(toy_clip.tracks, visible=hidden)))


def test_unrecorded_points_do_not_count_even_with_hidden_points(toy_clip, predict):
    recorded = np.ones(toy_clip.tracks.world.shape[:2], dtype=bool)
    recorded[4:6, toy_clip.tracks.part == 1] = False
    world = toy_clip.tracks.world.copy()
    world[4:6, toy_clip.tracks.part == 1] = 50.0  # must be ignored
    visible = toy_clip.tracks.visible & recorded
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, world=world, visible=visible, recorded=recorded))
    everywhere = predict(toy_clip, valid=np.ones(visible.shape, dtype=bool))
    values = {r.view: r.value for r in measure_rpe_all(Case(everywhere, clip))}
    assert values[None] == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(ValueError, match="that was not recorded cannot be visible"):
        replace(clip.tracks, visible=toy_clip.tracks.visible | True)
