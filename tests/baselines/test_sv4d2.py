"""Stable Video 4D 2.0, with a fake tree as upstream code."""

import importlib.util
import json

import numpy as np
import pytest
from fake_upstream import make_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from upstream_requests import load

from baselines.sv4d2.adapter import StableVideo4D2
from baselines.sv4d2.viewing_angles import viewing_angles
from hoibench.clip import Camera, Request, SourceVideo, View
from hoibench.video import FrameMap, decode

SIZE = (96, 128)
K = np.array([[100.0, 0, 63.5], [0, 100, 47.5], [0, 0, 1]])
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
TURN *= np.sign(np.linalg.det(TURN))
"""A rotation of the world, so that its z axis is not vertical."""


@pytest.fixture(scope="module")
def worker():
    spec = importlib.util.spec_from_file_location("sv4d2_worker", StableVideo4D2.worker)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def look(azimuth, elevation, distance=2.0, moving=0):
    """Return a camera that looks at a point, from angles in degrees."""
    a, e = np.radians([azimuth, elevation])
    outwards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    x = np.cross(-outwards, [0, 0, 1])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(-outwards, x), -outwards]) @ TURN.T
    t = -R @ (TURN @ (distance * outwards) + [1, 2, 3])
    return Camera(K, np.tile(R, (moving, 1, 1)), np.tile(t, (moving, 1)), SIZE) if moving else Camera(K, R, t, SIZE)


def make_request(frames=14, angles=((40, 20), (80, 30), (0, 20), (-20, 10)), seed=5):
    """Return a request whose source video shows a red block that moves over grey; the first angles are the source's."""
    video = np.full((frames, *SIZE, 3), 100, np.uint8)
    for n in range(frames):
        video[n, 50:70, 10 + n : 30 + n] = (250, 30, 30)
    source, *targets = (View(f"v{i}", None, look(*pair)) for i, pair in enumerate(angles))
    return Request("clip_1", None, tuple(targets), frames, 8.0, SIZE, seed, (SourceVideo(source, video),))


def test_angles_are_those_from_which_the_cameras_look():
    cameras = [look(40, 20), look(80, 30, 3.0), look(0, -15, 1.0, moving=4), look(-100, 60)]
    azimuths, elevations = viewing_angles(cameras)
    np.testing.assert_allclose(azimuths, [0, 40, -40, -140], atol=1e-4)
    np.testing.assert_allclose(elevations, [20, 30, -15, 60], atol=1e-4)


def test_angles_of_cameras_above_each_other():
    azimuths, elevations = viewing_angles([look(0, 10), look(0, 40)])
    np.testing.assert_allclose(azimuths, 0, atol=1e-4)
    np.testing.assert_allclose(np.diff(elevations), 30, atol=1e-4)
    with pytest.raises(ValueError, match="the optical axes of all cameras are parallel"):
        viewing_angles([look(0, 10), look(0, 10, 3.0)])


@given(st.integers(12, 300))
def test_windows_cover_all_frames_and_start_on_made_ones(worker, frames):
    made = {0}
    for start in worker.plan_windows(frames):
        assert start in made
        made |= set(range(start, start + 12))
    assert made == set(range(frames))


def test_windows_of_a_clip(worker):
    assert worker.plan_windows(49) == [0, 11, 22, 33, 37]
    assert worker.plan_windows(12) == [0]


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 29)] * 2), st.tuples(*[st.integers(1, 30)] * 2))
def test_the_square_holds_the_object_with_a_margin(worker, start, shape):
    alpha = np.zeros((2, 30, 30), np.uint8)
    alpha[1, start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]] = 200
    top, left, side, width = worker.find_square(alpha)
    assert side == width
    rows, columns = (np.nonzero(alpha[1].any(axis=axis))[0] for axis in (1, 0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longest / 0.9 <= side < longest / 0.9 + 1
    for first, seen in ((top, rows), (left, columns)):
        before, after = seen[0] - first, first + side - 1 - seen[-1]
        assert before >= 0 and after >= 0 and abs(before - after) <= 1


def test_the_square_is_cut_with_white_around_the_object(worker):
    frames = np.zeros((1, 30, 40, 4), np.uint8)
    frames[0, 2:12, 3:13] = (255, 0, 0, 255)
    box = worker.find_square(frames[..., 3])
    square = worker.cut_square(frames, (box[0] - 3, *box[1:]))  # beyond the picture
    pixels = (square[0].transpose(1, 2, 0) + 1) / 2
    whole = FrameMap((30, 40), (box[0] - 3, *box[1:]), (576, 576)).maps_to_source(pixels[None])[0]
    np.testing.assert_allclose(whole[3:9, 4:12], np.broadcast_to([1, 0, 0], (6, 8, 3)), atol=0.02)
    np.testing.assert_allclose(whole[box[0], box[1] : box[1] + box[3]], 1, atol=0.02)
    with pytest.raises(ValueError, match="no object"):
        worker.find_square(frames[..., 3] * 0)


def test_how_the_sampler_is_called_and_what_is_made_of_its_videos(tmp_path):
    tree = make_tree("sv4d2", tmp_path)
    request = make_request()
    method = load(tree, tmp_path / "exchange", azimuth_sign=-1, encoding_t=3)
    prediction = method.generate(request)

    (call,) = tree.calls()
    folder = tmp_path / "exchange" / "seed-5" / "clip_1"
    assert call["argv"][1:] == [str(folder), str(tree.path)]
    assert (call["cwd"], call["stdin"]) == (str(tree.path), "/dev/null")
    windows = [json.loads(line) for line in (tree.path / "windows.jsonl").read_text().splitlines()]
    assert [window["cond_mv"] for window in windows] == [False, True]
    for window in windows:
        assert (window["seeds"], window["encoding_t"], window["repeats"]) == ([5], 3, True)
        # Against the source: 40, -40 and -60 degrees, then their middle; the sign is turned.
        np.testing.assert_allclose(window["azimuths"], [320, 40, 60, 23.08], atol=0.05)
        np.testing.assert_allclose(window["polars"], [80, 90, 100, 90], atol=0.02)

    is_object = (request.source_videos[0].video == (250, 30, 30)).all(axis=-1)
    assert prediction.video.shape == (3, 14, *SIZE, 3) and prediction.masks.shape == (3, 14, *SIZE)
    top, left, side, _ = prediction.crop
    assert top <= 50 and left <= 10 and side >= 20 and top + side >= 70 and left + side >= 30 + 13
    for video, masks in zip(prediction.video, prediction.masks, strict=True):
        assert np.abs(video[is_object].astype(int) - (250, 30, 30)).mean() < 12
        assert np.abs(video[~is_object].astype(int) - 255).mean() < 3
        assert (masks & is_object).sum() > 0.95 * is_object.sum() and (
            masks & ~is_object
        ).sum() < 0.25 * is_object.sum()


def test_a_short_clip_is_held_and_what_it_cannot_do_is_said(tmp_path):
    method = load(make_tree("sv4d2", tmp_path), tmp_path / "exchange")
    (asked,) = method.make_requests(make_request(frames=6), tmp_path)
    assert (asked.frames, len(decode(tmp_path / "source.mp4"))) == (12, 12)
    with pytest.raises(ValueError, match="makes 4 views together, clip clip_1 has 5"):
        method.generate(make_request(angles=[(10 * i, 0) for i in range(6)]))
    request = make_request()
    without = Request("clip_1", None, (View("a"),), 14, 8.0, SIZE, 1, request.source_videos)
    with pytest.raises(ValueError, match="clip clip_1 has no cameras"):
        method.generate(without)
