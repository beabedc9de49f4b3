"""Laws of corruptions: what each one changes, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest

from hoibench.clip import PARTS, Camera, Clip, Tracks, View
from hoibench.evaluation.corruptions import (
    CORRUPTIONS,
    blur,
    corrupt,
    delay_view,
    exchange_views,
    overlay_checkerboard,
    overlay_text,
    repeat_first_frame,
    reverse_time,
)
from hoibench.evaluation.reference_predictions import build_reference

VIDEO_ONLY = {"blur", "flicker", "checkerboard", "text"}
INTERACTION = {"tool moved", "hand pulled away", "hand pushed in", "tool collapsed", "objects melting"}
TRACKS_ONLY = {"scaled points", "hidden points dropped", *INTERACTION}


VIEWS, FRAMES, POINTS, SIZE = 3, 9, 20, (64, 96)


def build_clip(seed):
    """Return a clip of noise, with points that move at random; writing to its arrays raises an error."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 256, (VIEWS, FRAMES, *SIZE, 3), dtype=np.uint8)
    world = rng.uniform(-0.1, 0.1, (FRAMES, POINTS, 3)).astype(np.float32)
    visible = rng.random((VIEWS, FRAMES, POINTS)) > 0.3
    for array in (video, world, visible):
        array.flags.writeable = False
    K = np.array([[60.0, 0.0, 48.0], [0.0, 60.0, 32.0], [0.0, 0.0, 1.0]])
    views = tuple(View(f"view-{v}", camera=Camera(K, np.eye(3), np.array([0.1 * v, 0.0, 1.0]), SIZE)) for v in range(3))
    tracks = Tracks(world, visible, (np.arange(POINTS) % len(PARTS)).astype(np.uint8))
    return Clip(f"clip-{seed}", None, None, views, (), 8.0, FRAMES, SIZE, tracks=tracks, load_video=lambda: video)


@pytest.fixture(scope="module")
def clips():
    return build_clip(0), build_clip(1)


@pytest.fixture(scope="module")
def truth(clips):
    return build_reference("ground_truth", clips[0], seed=0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_gives_the_outputs_that_it_changes(clips, truth, name):
    once, again = (corrupt(name, *clips) for _ in range(2))
    changed = set()
    for output, fields in {"video": ["video"], "tracks": ["tracks", "valid"]}.items():
        found, true = ([getattr(p, field) for field in fields] for p in (once, truth))
        if found[0] is None:
            continue
        assert found[0].shape == true[0].shape and found[0].dtype == true[0].dtype
        assert not all(np.array_equal(a, b) for a, b in zip(found, true, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(found, [getattr(again, f) for f in fields], strict=True))
        changed.add(output)
    expected = {"video"} if name in VIDEO_ONLY else {"tracks"} if name in TRACKS_ONLY else {"video", "tracks"}
    assert changed == expected


def outputs(prediction):
    return np.asarray(prediction.video), prediction.tracks


def test_rearranged_frames_are_the_true_ones(truth):
    for reverse, exchange, delay, repeat, true in zip(
        outputs(reverse_time(truth)), outputs(exchange_views(truth)), outputs(delay_view(truth)),
        outputs(repeat_first_frame(truth)), outputs(truth), strict=True,
    ):  # fmt: skip
        assert (reverse == true[:, ::-1]).all()
        assert (exchange == true[[2, 0, 1]]).all()
        assert (delay[[0, 2]] == true[[0, 2]]).all()
        assert (delay[1, 4:] == true[1, :-4]).all() and (delay[1, :5] == true[1, :1]).all()
        assert (repeat[:, ::2] == true[:, ::2]).all() and (repeat[:, 1::2] == true[:, :1]).all()


def test_twice_reversed_is_the_truth(truth):
    for found, true in zip(outputs(reverse_time(reverse_time(truth))), outputs(truth), strict=True):
        assert (found == true).all()


def test_a_rearranged_point_keeps_its_validity(truth):
    valid = np.random.default_rng(0).random(truth.tracks.shape[:3]) > 0.5
    found = exchange_views(reverse_time(replace(truth, valid=valid)))
    assert (found.valid == valid[[2, 0, 1]][:, ::-1]).all()


def test_a_foreign_view_replaces_view_0_alone(clips, truth):
    found, other = corrupt("foreign view", *clips), build_reference("ground_truth", clips[1], seed=0)
    for own, true, foreign in zip(outputs(found), outputs(truth), outputs(other), strict=True):
        assert (own[0] == foreign[0]).all() and (own[1:] == true[1:]).all()


def test_only_hidden_points_are_dropped(clips, truth):
    found, visible = corrupt("hidden points dropped", *clips), clips[0].tracks.visible
    assert (found.tracks == truth.tracks).all()
    assert (found.valid == (visible & visible[:, :1])).all() and 0 < found.valid.mean() < 1


@pytest.mark.parametrize("overlay", [overlay_checkerboard, overlay_text], ids=lambda overlay: overlay.__name__)
def test_an_overlay_is_the_same_in_all_frames(overlay):
    """On black and on white, it changes the same pixels of every frame."""
    black, white = (overlay(np.full((2, 3, 64, 96, 3), value, np.uint8)) for value in (0, 255))
    assert (black == black[:1, :1]).all() and (white == white[:1, :1]).all()
    assert 0.02 < (black > 0).mean() < 0.6


def test_a_blur_keeps_the_mean_and_removes_detail():
    noise = np.random.default_rng(0).integers(0, 256, (1, 2, 64, 64, 3), dtype=np.uint8)
    assert blur(noise).mean() == pytest.approx(noise.mean(), abs=1)
    assert blur(noise).std() < 0.3 * noise.std()


def test_clips_of_different_shapes_are_refused(clips):
    other = clips[1]
    tracks = Tracks(other.tracks.world[:, 1:], other.tracks.visible[..., 1:], other.tracks.part[1:])
    with pytest.raises(ValueError, match="clip-0 and clip-1 differ in views, frames, size or points"):
        corrupt("foreign view", clips[0], replace(other, tracks=tracks))


def test_clips_without_truth_are_refused(clips):
    with pytest.raises(ValueError, match="clip clip-0 has no truth"):
        corrupt("blur", replace(clips[0], load_video=None), clips[1])
