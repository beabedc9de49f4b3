"""Writes a small run with all files that the site shows: results, predictions with videos and points, and clips with their truth.

Two clips of 3 views and 12 frames of 64 x 96 pixels; the truth and three methods: ``syncmv4d`` (tracks paired by query), ``svimo`` (by anchor)
and ``wan2.2`` (video only).  Every frame has a background of one colour, ``frame_colour``, so that a frame can be told by its pixels.
"""

from pathlib import Path

import fake_runs
import numpy as np

from hoibench.clip import Camera, Clip, Prediction, Tracks, View
from hoibench.clip_file import clip_folder, write_clip
from hoibench.geometry import project, to_camera
from hoibench.predictions import write_prediction

VIEWS, FRAMES, HEIGHT, WIDTH, POINTS = 3, 12, 64, 96, 60
FPS = 8.0
CLIPS = ("20231001_000", "20231002_001")
METHODS = tuple(method for method in fake_runs.METHODS if method.id in ("syncmv4d", "svimo", "wan2.2"))
REFERENCE_ROWS = tuple(row for row in fake_runs.REFERENCE_ROWS if row.id in ("ground_truth", "frozen"))
CENTRE = np.array([0.0, 0.0, 0.9])
"""The point that all cameras look at, in the world frame."""
_PART_COLOURS = np.array([[230, 180, 150], [200, 130, 100], [250, 240, 80], [90, 220, 240]], np.uint8)


def write_run(folder: Path, seeds: tuple[int, ...] = (0, 1, 2), **settings: object) -> Path:
    """Write the run to ``folder``: results of all seeds, predictions of the first one; ``settings`` are those of ``fake_runs.write_run``."""
    fake_runs.write_run(folder, (*REFERENCE_ROWS, *METHODS), clips=len(CLIPS), seeds=seeds, **settings)
    for n, id in enumerate(CLIPS):
        clip = make_clip(n)
        write_clip(clip_folder(folder, id), clip)
        for method in (REFERENCE_ROWS[0], *METHODS):
            prediction = make_prediction(clip, method.id)
            write_prediction(folder / "predictions" / method.id / f"seed-{seeds[0]}" / id, prediction, FPS)
    return folder


def make_clip(n: int) -> Clip:
    """Return clip ``n`` with true tracks of two hands, a tool and a target: a ring of points each, which turn and rise."""
    cameras = [_camera(angle) for angle in (-0.6, 0.0, 0.6)]
    world = _tracks(n)
    pixels = np.stack([project(to_camera(world, camera.R, camera.t), camera.K) for camera in cameras])
    visible = ((pixels >= 0) & (pixels < (WIDTH, HEIGHT))).all(axis=-1)
    visible[:, :, ::7] = False
    views = [
        View(f"cam-{v}", cluster, camera)
        for v, (cluster, camera) in enumerate(zip(("left", "center", "right"), cameras, strict=True))
    ]
    part = np.arange(POINTS, dtype=np.uint8) % 4
    return Clip(
        id=CLIPS[n], triplet=("hammer", "hit", "toy"), prompt="A person hits the toy with the hammer.", views=tuple(views), source_views=(), fps=FPS,
        frames=FRAMES, size=(HEIGHT, WIDTH), instances=(f"{n:03d}", "112"), truth="synthetic",
        tracks=Tracks(world.astype(np.float32), visible, part),
    )  # fmt: skip


def make_prediction(clip: Clip, row: str) -> Prediction:
    """Return the prediction of the truth or of a method: all points for ``syncmv4d``, every second one in another order for ``svimo``."""
    cameras, tracks = clip.cameras, clip.tracks
    places = {"ground_truth": 0, **{method.id: n for n, method in enumerate(METHODS, start=1)}}
    rng = np.random.default_rng([places[row], CLIPS.index(clip.id)])
    world = tracks.world.astype(np.float64)
    if row != "ground_truth":
        world = world + np.linspace(0, 0.03 * places[row], FRAMES)[:, None, None] * rng.normal(size=(FRAMES, 1, 3))
    points = np.stack([to_camera(world, camera.R, camera.t) for camera in cameras])
    anchors = np.stack([project(points[v, 0], camera.K) for v, camera in enumerate(cameras)])
    video = np.stack([_draw_view(places[row], v, points[v], cameras[v], tracks.part) for v in range(VIEWS)])
    if row == "wan2.2":
        return Prediction(video=video)
    order = np.arange(POINTS) if row != "svimo" else rng.permutation(POINTS)[: POINTS // 2]
    return Prediction(
        video=video,
        tracks=points[:, :, order].astype(np.float32),
        anchors=anchors[:, order].astype(np.float32),
        scale="shared" if row == "svimo" else "metric",
    )


def frame_colour(row: int, view: int, frame: int) -> tuple[int, int, int]:
    """Return the background of a frame: red rises with the frame, green tells the view, blue the row (0: the truth, then the methods)."""
    return 30 + 16 * frame, 40 + 60 * view, 40 + 50 * row


def _draw_view(row: int, view: int, points: np.ndarray, camera: Camera, part: np.ndarray) -> np.ndarray:
    video = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    pixels = np.rint(project(points, camera.K)).astype(int)
    for n in range(FRAMES):
        video[n] = frame_colour(row, view, n)
        for (x, y), p in zip(pixels[n], part, strict=True):
            video[n, max(0, y - 1) : max(0, y + 2), max(0, x - 1) : max(0, x + 2)] = _PART_COLOURS[p]
    return video


def _camera(angle: float) -> Camera:
    """Return a camera 0.9 m from ``CENTRE``, turned by ``angle`` around the vertical axis."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    intrinsics = np.array([[110.0, 0, (WIDTH - 1) / 2], [0, 110, (HEIGHT - 1) / 2], [0, 0, 1]])
    return Camera(intrinsics, turn, np.array([0, 0, 0.9]) - turn @ CENTRE, (HEIGHT, WIDTH))


def _tracks(n: int) -> np.ndarray:
    """Return (N, K, 3) world positions: point k is on the ring of part k mod 4."""
    time = np.linspace(0, 1, FRAMES)[:, None]
    k = np.arange(POINTS)
    angle = 2 * np.pi * (k // 4) / (POINTS // 4) + (1 + n) * time
    ring = np.stack([0.06 * np.cos(angle), 0.05 * np.sin(angle), 0.04 * np.sin(2 * angle)], axis=-1)
    shift = np.array([[-0.15, 0.08, 0], [0.15, 0.08, 0], [-0.06, -0.05, 0.05], [0.08, 0.02, -0.05]])[k % 4]
    rise = np.stack([0.05 * time, -0.08 * time * (1 - time), 0.03 * time], axis=-1)
    return CENTRE + shift + ring + rise
