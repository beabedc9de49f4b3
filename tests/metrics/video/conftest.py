"""Toy videos: a textured foreground that moves before a textured background, seen by a row of parallel cameras."""

import cv2
import numpy as np
import pytest

from hoibench.clip import Clip, Prediction, View
from hoibench.metrics.backbones.features import Features
from hoibench.metrics.case import Case

SIZE = (128, 192)


@pytest.fixture(scope="session")
def texture():
    """Builds an (H, W, 3) uint8 texture with blobs of some pixels, seeded."""

    def make(height, width, seed=0, blob=2.0):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), blob)
        low, high = np.percentile(noise, [1, 99])
        return (np.clip((noise - low) / (high - low), 0, 1) * 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def stage(texture):
    """Builds (video (V, N, H, W, 3), masks (V, N, H, W)): the foreground moves by ``speed`` px a frame, parallax grows by view."""

    def make(views=3, frames=9, speed=5, seed=0):
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

    return make


class GivenPoints:
    """A matcher whose points are given for each view, which the first pixel of its frames numbers; the first point matches the first, and so on."""

    weights = {}

    def __init__(self, *points, name="given"):
        self.points, self.name, self.described = points, name, 0

    def describe(self, image):
        self.described += 1
        points = np.asarray(self.points[image[0, 0, 0]], np.float32)
        return Features(points, np.zeros((len(points), 1), np.float32))

    def match(self, a, b):
        return np.stack([np.arange(len(a.points))] * 2, axis=1)


@pytest.fixture(scope="session")
def given_points():
    return GivenPoints


@pytest.fixture(scope="session")
def case_of():
    """Builds a case of a video, with the truth's video and masks where they are given."""

    def make(video, masks=None, truth=None, truth_masks=None, fps=8.0, **more):
        clip = Clip(
            id="toy",
            triplet=None,
            prompt=None,
            views=tuple(View(f"view-{v}") for v in range(len(video))),
            source_views=(),
            fps=fps,
            frames=video.shape[1],
            size=video.shape[2:4],
            load_video=None if truth is None else lambda: truth,
            load_masks=None if truth_masks is None else lambda: truth_masks,
        )
        return Case(Prediction(video=video, masks=masks), clip, **more)

    return make
