"""Diffusion as Shader, with a fake tree as upstream code."""

from dataclasses import replace

import numpy as np
import pytest
from fake_upstream import make_tree
from upstream_requests import load

from hoibench.clip import Request, SourceVideo, View

SIZE = (60, 88)


def make_request(frames=25, seed=2):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    picture = np.stack([80 + x, 80 + y, 150 + 0 * x], axis=-1)
    video = (picture + np.arange(frames)[:, None, None, None]).astype(np.uint8)
    views = (View("1", "left"), View("2"))
    return Request("clip_1", "a hand; a bowl", views, frames, 5.0, SIZE, seed, (SourceVideo(View("0"), video),))


@pytest.fixture
def tree(tmp_path):
    return make_tree("das", tmp_path)


def test_how_demo_py_is_called_and_what_is_made_of_its_files(tree, tmp_path):
    method = load(tree, tmp_path / "exchange", motion_left="trans 1 0 0 5 45", extrinsics="override")
    request = make_request()
    prediction = method.generate(request)
    folder = tmp_path / "exchange" / "seed-2" / "clip_1"
    motions = ["trans 1 0 0 5 45", "trans 0 0 0"]
    assert [call["argv"] for call in tree.calls()] == [
        [
            "demo.py", "--input_path", f"{folder}/source.mp4", "--prompt", "a hand; a bowl",
            "--checkpoint_path", "EXCAI/Diffusion-As-Shader", "--output_dir", f"{folder}/view-{i}-upstream",
            "--camera_motion", motion, "--tracking_method", "spatracker", "--override_extrinsics", "override", "--gpu", "0",
        ]
        for i, motion in enumerate(motions)
    ]  # fmt: skip
    assert {(call["cwd"], call["stdin"]) for call in tree.calls()} == {(str(tree.path), "/dev/null")}
    # The fake result is the source video, darker by ten times the seed.
    expected = request.source_videos[0].video.astype(int) - 20
    assert prediction.video.shape == (2, 25, *SIZE, 3)
    assert all(np.abs(video - expected).mean() < 3 for video in prediction.video)
    assert prediction.provenance["motions"] == motions


def test_a_clip_of_49_frames_is_seen_frame_by_frame_and_a_longer_one_refused(tree, tmp_path):
    request = replace(make_request(49), views=(View("1", "right"),))
    prediction = load(tree, tmp_path / "exchange").generate(request)
    means = prediction.video[0].mean(axis=(1, 2, 3)) - request.source_videos[0].video.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, -20, atol=3)  # encoded twice
    with pytest.raises(ValueError, match="das makes 49 frames, clip clip_1 has 50"):
        load(tree, tmp_path / "exchange").generate(make_request(50))


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("half", "request view-0 failed: ScriptFailed: demo.py has ended with exit code 1"),
        ("silent", "request view-0 failed: FileNotFoundError.*result.mp4"),
    ],
)
def test_wrong_files_end_with_a_reason(mode, message, tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", mode)
    request = replace(make_request(), views=(View("1"),))
    with pytest.raises((RuntimeError, ValueError), match=message):
        load(tree, tmp_path / "exchange").generate(request)
