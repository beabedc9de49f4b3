"""Errors of pseudo-videos in 8 bits and in video files, including the figures in the docs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_bodies import moving_bodies

from hoibench.geometry import (
    depth_range,
    points_in_image,
    project,
    quantise,
    rasterise,
    read_back,
    render,
    to_camera,
    visible_points,
)

LEVELS = 255 * 0.9


@given(st.integers(0, 10_000), st.sampled_from([(480, 704), (128, 192)]))
@settings(max_examples=8, deadline=None)
def test_anchors_farther_apart_than_a_levels_diagonal_are_never_confused_in_8_bits(seed, size):
    rng = np.random.default_rng(seed)
    step = 1.01 * np.hypot(*size) / LEVELS
    v, u = np.mgrid[4 : size[0] - 4 : step, 4 : size[1] - 4 : step]
    anchors = np.stack([u.ravel(), v.ravel()], axis=-1)
    anchors = anchors[rng.permutation(len(anchors))[:400]] + rng.uniform(-3, 3, 2)
    pixels = anchors + rng.uniform(-5, 5, (2, 1, 2))
    depth = rng.uniform(1.0, 2.0, (2, len(anchors)))
    s = np.array([1.0, 2.0])
    video = render(pixels, depth, anchors, s, size)
    exact, coarse = read_back(video, anchors, s), read_back(quantise(video), anchors, s)
    assert exact.found.mean() > 0.9
    assert np.array_equal(coarse.found, exact.found)
    assert np.array_equal(coarse.pixels, exact.pixels)
    assert np.abs(coarse.depth - exact.depth).max() <= 0.5 / LEVELS + 1e-5


class Figures:
    """Errors of points that are visible at their centre pixel."""

    def __init__(self):
        self.shown = self.found = 0
        self.lateral, self.depth = [], []

    def add(self, video, pixels, depth, visible, s, size, radius):
        shown = visible_points(rasterise(pixels, depth, size, visible=visible, radius=radius), pixels)
        reading = read_back(video, pixels[0], s, radius=radius)
        both = shown & reading.found
        self.shown += shown.sum()
        self.found += both.sum()
        self.lateral.append(np.linalg.norm(reading.pixels - pixels, axis=-1)[both])
        self.depth.append(np.abs(reading.depth - depth)[both] * 1000)

    def row(self):
        """Share found; median and 95th percentile of the lateral error in pixels, of the depth error in mm."""
        parts = (np.percentile(np.concatenate(x), [50, 95]) for x in (self.lateral, self.depth))
        return [float(x) for x in (self.found / self.shown, *np.concatenate(list(parts)))]


def bodies():
    pixels, depth = moving_bodies()
    return [(pixels, depth, np.ones(depth.shape, dtype=bool))], (480, 704)


def synthetic():
    from hoibench.datasets.registry import open_dataset

    data = open_dataset("synthetic", None)
    clip = data.load(data.manifest("demo").entries[0])
    views = []
    for camera, visible in zip(clip.cameras, clip.tracks.visible, strict=True):
        points = to_camera(clip.tracks.world.astype(np.float64), camera.R, camera.t)
        pixels, depth = project(points, camera.K).astype(np.float32), points[..., 2].astype(np.float32)
        # As the model has it: a view's points are those that it sees in frame 0.
        views.append((pixels[:, visible[0]], depth[:, visible[0]], visible[:, visible[0]]))
    return views, clip.size


def through_h264(video, folder):
    from hoibench.video import decode, encode

    encode(folder / "motion.mp4", np.round(video * 255).astype(np.uint8), fps=8.0)
    return (decode(folder / "motion.mp4") / 255).astype(np.float32)


def measure(scene, kind, radius, folder):
    views, size = scene
    figures = Figures()
    for pixels, depth, visible in views:
        first = 1 if kind.startswith("tracking") else None
        s = depth_range(depth[:first], points_in_image(pixels, depth, size, visible=visible)[:first])
        video = render(
            pixels, depth, pixels[0], s, size, visible=visible, radius=radius, first_depth=kind.startswith("tracking")
        )
        if not kind.endswith("float"):
            video = quantise(video)
        if kind == "h264":
            video = through_h264(video, folder)
        figures.add(video, pixels, depth, visible, s, size, radius)
    return figures.row()


def check(scene, kind, radius, expected, folder, rel=0.02):
    assert measure(scene, kind, radius, folder) == pytest.approx(expected, rel=rel, abs=0.001)


# Share found; lateral error in pixels, median and 95th percentile; depth error in mm, the same.
PAPERS_SIZE = {
    "float": [1.0, 0.413, 0.703, 0.0, 0.0],
    "8 bits": [0.883, 0.423, 0.925, 0.440, 2.743],
}


@pytest.mark.parametrize("kind", PAPERS_SIZE)
def test_smooth_tracks_at_the_papers_size(kind, tmp_path):
    check(bodies(), kind, 1, PAPERS_SIZE[kind], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "radius", "expected"),
    [
        ("tracking float", 1, [1.0, 0.413, 0.703, 21.90, 72.96]),
        ("tracking 8 bits", 1, [0.883, 0.423, 0.925, 21.88, 73.48]),
        ("8 bits", 3, [0.926, 0.532, 1.672, 0.418, 0.803]),
        ("h264", 1, [0.679, 11.82, 114.5, 27.19, 153.4]),
        ("h264", 3, [0.934, 6.141, 102.9, 9.664, 130.2]),
    ],
)
def test_other_documented_figures_of_smooth_tracks(kind, radius, expected, tmp_path):
    check(bodies(), kind, radius, expected, tmp_path, rel=0.2 if kind == "h264" else 0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "radius", "expected"),
    [
        ("float", 1, [1.0, 0.397, 0.589, 0.0, 0.0]),
        ("8 bits", 1, [1.0, 0.397, 0.589, 0.225, 0.464]),
        ("tracking float", 1, [1.0, 0.397, 0.589, 0.0, 47.89]),
        ("tracking 8 bits", 1, [1.0, 0.397, 0.589, 0.371, 48.09]),
        ("h264", 1, [0.910, 0.967, 21.97, 3.197, 48.53]),
        ("h264", 3, [0.999, 0.752, 1.745, 1.814, 10.11]),
    ],
)
def test_documented_figures_of_a_synthetic_clip(kind, radius, expected, tmp_path):
    check(synthetic(), kind, radius, expected, tmp_path, rel=0.2 if kind == "h264" else 0.02)
