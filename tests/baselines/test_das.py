"""Diffusion as Shader, with a fake tree as upstream code."""

from dataclasses import replace

import numpy as np
import pytest
from fake_upstream import make_tree
from upstream_requests import load

from baselines.das.tracking_video import draw_tracking_video, move_to_camera
from hoibench.clip import Camera, Request, SourceVideo, View
from hoibench.geometry import project, to_camera

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


def test_a_clip_of_49_frames_is_seen_frame_by_frame_and_a_longer_one_refused(tree, tmp_path):
    request = replace(make_request(49), views=(View("1", "right"),))
    prediction = load(tree, tmp_path / "exchange").generate(request)
    means = prediction.video[0].mean(axis=(1, 2, 3)) - request.source_videos[0].video.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, -20, atol=3)  # encoded twice
    with pytest.raises(ValueError, match="das makes 49 frames, clip clip_1 has 50"):
        load(tree, tmp_path / "exchange").generate(make_request(50))


def test_a_missing_video_ends_with_a_reason(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", "silent")
    request = replace(make_request(), views=(View("1"),))
    with pytest.raises(RuntimeError, match=r"request view-0 failed: FileNotFoundError.*result.mp4"):
        load(tree, tmp_path / "exchange").generate(request)


def pose(x=0.0, turn=0.0):
    """Return a camera-to-world matrix of a camera at (x, 0, 0), turned around its y axis."""
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c, 0, s, x], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])


def test_tracks_are_moved_into_another_camera():
    rng = np.random.default_rng(0)
    K, other = (
        np.array([[500.0, 0, 360], [0, 400, 240], [0, 0, 1]]),
        np.array([[300.0, 0, 350], [0, 300, 200], [0, 0, 1]]),
    )
    world = rng.uniform([-1, -1, 2], [1, 1, 4], (3, 20, 3))
    world[1, 7] = (5.0, 0, 2.0)  # behind the other camera
    poses, target = [pose(0.1)], [pose(1.0, -1.2), pose(1.1, -1.3)]
    of_camera = [Camera(K, p[:3, :3].T, -p[:3, :3].T @ p[:3, 3], (480, 720)) for p in (*poses, *target)]
    seen = []
    for n in range(3):
        points = to_camera(world[n], of_camera[0].R, of_camera[0].t)
        seen.append(np.concatenate([project(points, K), points[:, 2:]], axis=-1))
    moved = move_to_camera(np.stack(seen), K.tolist(), poses, other, target)
    for n, camera in enumerate([of_camera[1], of_camera[2], of_camera[2]]):
        points = to_camera(world[n], camera.R, camera.t)
        expected = np.where(points[:, 2:] > 0, np.concatenate([project(points, other), points[:, 2:]], axis=-1), 0)
        np.testing.assert_allclose(moved[n], expected, atol=1e-9)
    assert (moved[1, 7] == 0).all()


def draw_plainly(tracks, size, grid):
    """Draw a tracking video pixel by pixel, as the docstring of ``draw_tracking_video`` says."""
    first = [p for p in tracks[0] if p[2] > 0]
    grid = [p for p, q in zip(grid, tracks[0], strict=True) if q[2] > 0]
    tracks = [[points[i] for i in range(len(points)) if tracks[0][i][2] > 0] for points in tracks]
    inverse = [1 / p[2] for p in first]
    low, high = np.percentile(inverse, [2, 98])

    def colour(p):
        u, v = ([q[axis] for q in first] for axis in (0, 1))
        parts = (
            (p[0] - min(u)) / (max(u) - min(u)),
            (p[1] - min(v)) / (max(v) - min(v)),
            (1 / p[2] - low) / (high - low),
        )
        return [round(255 * min(max(part, 0), 1)) for part in parts]

    video = np.zeros((len(tracks), *size, 3), np.uint8)
    for n, points in enumerate(tracks):
        for i in sorted(range(len(points)), key=lambda i: -points[i][2]):
            u, v, _ = points[i]
            if u == 0 or v == 0:
                continue
            if n == 0:
                half = int(min(np.linalg.norm(p - grid[i]) for p in grid if (p != grid[i]).any())) / 2
            for y in range(int(v - half / 1.5), int(v + half / 1.5) + 1):
                for x in range(int(u - half), int(u + half) + 1):
                    if 0 <= x < size[1] and 0 <= y < size[0]:
                        video[n, y, x] = colour(first[i])
    return video


def test_the_tracking_video_is_drawn_far_points_first():
    rng = np.random.default_rng(1)
    tracks = rng.uniform([-5, -5, 0.5], [65, 45, 3.0], (3, 40, 3))
    tracks[0, 3] = 0  # behind the camera
    tracks[1, 5] = 0
    grid = rng.uniform([0, 0, 0.5], [60, 40, 3.0], (40, 3))
    np.testing.assert_array_equal(draw_tracking_video(tracks, (40, 60), grid), draw_plainly(tracks, (40, 60), grid))


def test_how_inference_py_is_called_with_the_tracks_in_the_camera_of_the_view(tree, tmp_path):
    K = np.array([[60.0, 0, 43.5], [0, 60, 29.5], [0, 0, 1]])
    source, target = (Camera(K, np.eye(3), np.array([x, 0, 0]), SIZE) for x in (0.0, 0.2))
    request = make_request()
    videos = (SourceVideo(View("0", None, source), request.source_videos[0].video),)
    view = View("1", None, target, np.full((*SIZE, 3), 200, np.uint8))
    request = replace(request, views=(view,), source_videos=videos)
    prediction = load(tree, tmp_path / "exchange", preset="tracking").generate(request)

    folder = tmp_path / "exchange" / "seed-2" / "clip_1"
    tracker, call = tree.calls()
    assert tracker["argv"][1:] == [str(folder), str(tree.path)]
    assert call["argv"] == [
        "testing/inference.py", "--prompt", "a hand; a bowl", "--model_path", "EXCAI/Diffusion-As-Shader",
        "--tracking_path", f"{folder}/view-0-upstream/tracking.mp4", "--image_or_video_path", f"{folder}/view-0.png",
        "--generate_type", "i2v", "--output_path", f"{folder}/view-0-upstream/out.mp4", "--num_inference_steps", "50", "--seed", "2",
    ]  # fmt: skip
    # The result is the tracking video, whose points begin at u = 20 of 720, 3 wide to each side.  They are 2 m away, so 20 cm are 6 px of the clip.
    covered = prediction.video[0, 0].astype(int).sum(axis=-1) > 60
    (columns,) = np.nonzero(covered.any(axis=0))
    assert abs(columns[0] - (17 * 88 / 720 + 6)) < 1.5
    assert covered[10:50, 15:80].mean() > 0.95, "neighbouring points touch"
    with pytest.raises(ValueError, match=r"das\+tracking needs the cameras and the reference images"):
        load(tree, tmp_path / "exchange", preset="tracking").generate(make_request())
