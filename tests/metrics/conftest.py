"""A toy scene on a rig like TACO's, and the slow twins of the motion metrics."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hoibench.clip import Camera, Clip, Prediction, Tracks, View
from hoibench.geometry import project, to_camera
from hoibench.metrics.case import Case


@pytest.fixture(scope="session")
def twins():
    """The module of plain loops beside this file; tests have no packages to import it from."""
    spec = importlib.util.spec_from_file_location("motion_twins", Path(__file__).with_name("motion_twins.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def look_at(azimuth, elevation, distance, target=(0.1, 0.0, 0.05)):
    """World-to-camera pose of a camera around the target, z of the world up; angles in degrees."""
    a, e = np.deg2rad([azimuth, elevation])
    target = np.array(target)
    eye = target + distance * np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
    forward = (target - eye) / distance
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ eye


def rig(frames, moving):
    """Three cameras at 1.5 to 1.7 m, 40 degrees apart; a moving rig sways."""
    cameras = []
    K = np.array([[300.0, 0.0, 95.5], [0.0, 305.0, 63.5], [0.0, 0.0, 1.0]])
    for azimuth, distance in ((-40.0, 1.5), (0.0, 1.6), (40.0, 1.7)):
        poses = [look_at(azimuth + (3.0 * np.sin(n) if moving else 0.0), 40.0, distance) for n in range(frames)]
        R, t = np.stack([R for R, _ in poses]), np.stack([t for _, t in poses])
        cameras.append(Camera(K, R if moving else R[0], t if moving else t[0], (128, 192)))
    return tuple(cameras)


def motion_of_parts(rng, frames, points):
    """(N, K, 3) world points of two hands, a tool that swings with one, and a target at rest; and their parts."""
    part = np.arange(points) % 4
    centre = np.array([[-0.1, 0.05, 0.1], [0.15, -0.05, 0.15], [0.2, 0.0, 0.12], [0.0, 0.0, 0.03]])[part]
    body = centre + rng.uniform(-0.06, 0.06, (points, 3))
    phase = 0.5 * np.arange(frames)[:, None, None]
    swing = np.array([0.03, 0.08, 0.12, 0.0])[part][:, None] * np.array([1.0, 0.4, 0.5])
    return body + swing * (1.0 - np.cos(phase)), part.astype(np.uint8)


@pytest.fixture(scope="session")
def make_clip():
    """Builds a toy clip: seeded, of a given size, its points hidden at random."""

    def make(seed=0, frames=9, points=48, moving=False, seen=0.75, fps=8.0):
        rng = np.random.default_rng(seed)
        cameras = rig(frames, moving)
        world, part = motion_of_parts(rng, frames, points)
        pixels = np.stack([project(to_camera(world, c.R, c.t), c.K) for c in cameras])
        visible = ((pixels > 0) & (pixels < [191, 127])).all(axis=-1)
        visible &= rng.random(visible.shape) < seen
        return Clip(
            id="toy",
            triplet=None,
            prompt=None,
            views=tuple(View(name, camera=c) for name, c in zip(("left", "center", "right"), cameras, strict=True)),
            source_views=(),
            fps=fps,
            frames=frames,
            size=(128, 192),
            tracks=Tracks(world.astype(np.float32), visible, part),
        )

    return make


@pytest.fixture(scope="session")
def toy(make_clip):
    return make_clip()


def camera_tracks(clip, world):
    return np.stack([to_camera(np.asarray(world, dtype=np.float64), c.R, c.t) for c in clip.cameras])


def first_pixels(clip, points):
    return np.stack([project(points[v, 0], c.K) for v, c in enumerate(clip.cameras)])


@pytest.fixture(scope="session")
def answer():
    """Builds a reference row's prediction for a clip, or a changed one: ``answer(clip, "frozen", scale="shared")``."""

    def build(clip, name="ground_truth", seed=0, **changes):
        rng = np.random.default_rng([seed, len(name)])
        X, visible = camera_tracks(clip, clip.tracks.world), clip.tracks.visible
        m = visible & visible[:, :1]
        order = rng.permutation(X.shape[2])
        low, high = clip.tracks.world.min(axis=(0, 1)), clip.tracks.world.max(axis=(0, 1))
        scattered = [rng.uniform(low, high, clip.tracks.world.shape) for _ in clip.views]
        tracks = {
            "ground_truth": X,
            "gt_shuffled": X[:, :, order],
            "frozen": np.repeat(X[:, :1], X.shape[1], axis=1),
            "gt_noise_1cm": X + rng.normal(0.0, 0.01, X.shape),
            "gt_scaled_0.9": 0.9 * X,
            "random": np.stack([camera_tracks(clip, world)[v] for v, world in enumerate(scattered)]),
        }[name]
        made = Prediction(
            tracks=tracks.astype(np.float32),
            anchors=first_pixels(clip, X).astype(np.float32),
            valid=m[..., order] if name == "gt_shuffled" else m,
        )
        return replace(made, **changes)

    return build


@pytest.fixture(scope="session")
def headline():
    """The clip's own measurement of a metric id, after all its parts."""
    from hoibench.metric_card import all_cards

    def measure(metric, prediction, clip, **case):
        rows = list(all_cards()[metric].load()(Case(prediction, clip, **case)))
        assert [r for r in rows if (r.view, r.pair, r.part, r.frame) == (None,) * 4] == rows[-1:]
        return rows[-1]

    return measure
