"""Toy clips for metrics: moving points before three cameras, and a textured foreground that moves in front of a textured background."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hoibench.clip import Camera, Clip, Prediction, Tracks, View
from hoibench.geometry import project, to_camera
from hoibench.metric_card import all_cards
from hoibench.metrics.backbones import matchers
from hoibench.metrics.backbones.features import Features
from hoibench.metrics.case import Case
from hoibench.metrics.epipolar import DEFAULT_MAGSAC

SIZE = (128, 192)


def look_at(azimuth, elevation, distance, target=(0.1, 0.0, 0.05)):
    """Return the world-to-camera pose of a camera around the target, with z of the world up; angles in degrees."""
    a, e = np.deg2rad([azimuth, elevation])
    target = np.array(target)
    eye = target + distance * np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
    forward = (target - eye) / distance
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ eye


def build_cameras(frames, moving):
    """Return three cameras at 1.5 to 1.7 m, 40 degrees apart; moving cameras sway."""
    cameras = []
    K = np.array([[300.0, 0.0, 95.5], [0.0, 305.0, 63.5], [0.0, 0.0, 1.0]])
    for azimuth, distance in ((-40.0, 1.5), (0.0, 1.6), (40.0, 1.7)):
        poses = [look_at(azimuth + (3.0 * np.sin(n) if moving else 0.0), 40.0, distance) for n in range(frames)]
        R, t = np.stack([R for R, _ in poses]), np.stack([t for _, t in poses])
        cameras.append(Camera(K, R if moving else R[0], t if moving else t[0], SIZE))
    return tuple(cameras)


def move_points(rng, frames, points):
    """Return (N, K, 3) world points of two hands, a tool that swings with one, and a target at rest; and their parts."""
    part = np.arange(points) % 4
    centre = np.array([[-0.1, 0.05, 0.1], [0.15, -0.05, 0.15], [0.2, 0.0, 0.12], [0.0, 0.0, 0.03]])[part]
    body = centre + rng.uniform(-0.06, 0.06, (points, 3))
    phase = 0.5 * np.arange(frames)[:, None, None]
    swing = np.array([0.03, 0.08, 0.12, 0.0])[part][:, None] * np.array([1.0, 0.4, 0.5])
    return body + swing * (1.0 - np.cos(phase)), part.astype(np.uint8)


@pytest.fixture(scope="session")
def build_clip():
    """Build a seeded toy clip; ``visible`` is the share of visible points."""

    def build(seed=0, frames=9, points=48, moving=False, visible=0.75, fps=8.0):
        rng = np.random.default_rng(seed)
        cameras = build_cameras(frames, moving)
        world, part = move_points(rng, frames, points)
        pixels = np.stack([project(to_camera(world, c.R, c.t), c.K) for c in cameras])
        inside = ((pixels > 0) & (pixels < [191, 127])).all(axis=-1)
        return Clip(
            id="toy",
            triplet=None,
            prompt=None,
            views=tuple(View(name, camera=c) for name, c in zip(("left", "center", "right"), cameras, strict=True)),
            source_views=(),
            fps=fps,
            frames=frames,
            size=SIZE,
            tracks=Tracks(world.astype(np.float32), inside & (rng.random(inside.shape) < visible), part),
        )

    return build


@pytest.fixture(scope="session")
def toy_clip(build_clip):
    return build_clip()


def camera_tracks(clip, world):
    return np.stack([to_camera(np.asarray(world, dtype=np.float64), c.R, c.t) for c in clip.cameras])


def first_pixels(clip, points):
    return np.stack([project(points[v, 0], c.K) for v, c in enumerate(clip.cameras)])


@pytest.fixture(scope="session")
def predict():
    """Build the prediction of a reference row for a clip, with changes: ``predict(clip, "frozen", scale="shared")``."""

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
        prediction = Prediction(
            tracks=tracks.astype(np.float32),
            anchors=first_pixels(clip, X).astype(np.float32),
            valid=m[..., order] if name == "gt_shuffled" else m,
        )
        return replace(prediction, **changes)

    return build


@pytest.fixture(scope="session")
def measure():
    """Return all measurements of a metric id."""

    def run(metric, prediction, clip, **case):
        return list(all_cards()[metric].load()(Case(prediction, clip, **case)))

    return run


@pytest.fixture(scope="session")
def measure_headline(measure):
    """Return the clip's own measurement of a metric id, which comes last."""

    def run(metric, prediction, clip, **case):
        rows = measure(metric, prediction, clip, **case)
        assert [r for r in rows if (r.view, r.pair, r.part, r.frame) == (None,) * 4] == rows[-1:]
        return rows[-1]

    return run


@pytest.fixture(scope="session")
def texture():
    """Build a seeded (H, W, 3) uint8 texture; ``blob`` is the size of its blobs in pixels."""

    def build(height, width, seed=0, blob=2.0):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), blob)
        low, high = np.percentile(noise, [1, 99])
        return (np.clip((noise - low) / (high - low), 0, 1) * 255).astype(np.uint8)

    return build


@pytest.fixture(scope="session")
def build_video(texture):
    """Build (video (V, N, H, W, 3), masks (V, N, H, W)): the foreground moves by ``speed`` px per frame, and parallax grows with the view."""

    def build(views=3, frames=9, speed=5, seed=0):
        height, width = SIZE
        back, front = texture(height, width + 40, seed), texture(64, 64, seed + 1)
        video = np.empty((views, frames, height, width, 3), np.uint8)
        masks = np.zeros((views, frames, height, width), bool)
        for v in range(views):
            for n in range(frames):
                video[v, n] = back[:, 3 * v : 3 * v + width]
                left = 60 + speed * n - 9 * v
                video[v, n, 32:96, left : left + 64] = front
                masks[v, n, 32:96, left : left + 64] = True
        return video, masks

    return build


@pytest.fixture(scope="session")
def build_scene(texture):
    """Build (video, masks, cameras): a textured square glides 10 cm over a textured table, before three cameras that are 20 degrees apart."""

    def build(frames=9, speed=0.03, seed=0):
        height, width = SIZE
        K = np.array([[300.0, 0.0, 95.5], [0.0, 300.0, 63.5], [0.0, 0.0, 1.0]])
        poses = [look_at(azimuth, 60.0, 1.5, (0.0, 0.0, 0.0)) for azimuth in (-20.0, 0.0, 20.0)]
        cameras = tuple(Camera(K, R, t, SIZE) for R, t in poses)
        table, square = texture(600, 600, seed), texture(90, 90, seed + 1)

        def draw(camera, image, corner):
            texel = 0.003  # metres
            plane = np.array([[texel, 0.0, corner[0]], [0.0, texel, corner[1]], [0.0, 0.0, corner[2]]])
            plane = camera.R @ plane
            plane[:, 2] += camera.t
            return cv2.warpPerspective(image, camera.K @ plane, (width, height))

        video = np.empty((3, frames, height, width, 3), np.uint8)
        masks = np.zeros((3, frames, height, width), bool)
        for v, camera in enumerate(cameras):
            for n in range(frames):
                corner = (speed * (n - frames / 2) - 0.13, -0.13, 0.1)
                masks[v, n] = draw(camera, np.ones(square.shape[:2], np.uint8), corner) > 0
                front = draw(camera, square, corner)
                video[v, n] = np.where(masks[v, n, ..., None], front, draw(camera, table, (-0.9, -0.9, 0.0)))
        return video, masks, cameras

    return build


class FixedMatcher:
    """A matcher with given points for each view, whose index is the first pixel's value; point k matches point k."""

    weights = {}
    magsac = DEFAULT_MAGSAC

    def __init__(self, *points, name="fixed"):
        self.points, self.name, self.described = points, name, 0

    def describe(self, images):
        self.described += len(images)
        found = [np.asarray(self.points[image[0, 0, 0]], np.float32) for image in images]
        return [Features(points, np.zeros((len(points), 1), np.float32), images[0].shape[:2]) for points in found]

    def match(self, pairs):
        return [np.stack([np.arange(len(a.points))] * 2, axis=1) for a, b in pairs]


@pytest.fixture
def fixed_matcher(monkeypatch):
    """Build a ``FixedMatcher``, which metrics load by its name."""

    def build(*arguments, **settings):
        matcher = FixedMatcher(*arguments, **settings)
        monkeypatch.setattr(matchers, "MATCHERS", {**matchers.MATCHERS, matcher.name: lambda case: matcher})
        return matcher

    return build


@pytest.fixture(scope="session")
def build_case():
    """Build the case of a video, with cameras, true video and true masks if given."""

    def build(video, masks=None, truth=None, truth_masks=None, fps=8.0, cameras=None, **settings):
        clip = Clip(
            id="toy",
            triplet=None,
            prompt=None,
            views=tuple(View(f"view-{v}", camera=cameras and cameras[v]) for v in range(len(video))),
            source_views=(),
            fps=fps,
            frames=video.shape[1],
            size=video.shape[2:4],
            load_video=None if truth is None else lambda: truth,
            load_masks=None if truth_masks is None else lambda: truth_masks,
        )
        return Case(Prediction(video=video, masks=masks), clip, **settings)

    return build
