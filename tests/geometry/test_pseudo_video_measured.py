"""Errors of pseudo-videos in 8 bits and in video files, including the figures in the docs."""

import numpy as np
import pseudo_video_accuracy as accuracy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.geometry import quantise, read_back, render

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


def check(cell, documented, rel=0.02):
    """Compare the numbers of a measured cell of a table with the documented ones, which are rounded."""
    assert accuracy.numbers(cell) == pytest.approx(accuracy.numbers(documented), rel=rel, abs=0.011)


@pytest.mark.parametrize("radius", [1, 3])
def test_documented_errors_at_the_papers_size(radius):
    cell = accuracy.channel_cell(accuracy.bodies(), "float", radius)
    check(cell, accuracy.documented("bodies: float")[radius - 1])


@pytest.mark.slow
@pytest.mark.parametrize("scene", accuracy.SCENES)
def test_all_documented_errors(scene):
    views = accuracy.SCENES[scene]()
    for channel in accuracy.CHANNELS:
        for radius, cell in zip(accuracy.RADII, accuracy.documented(f"{scene}: {channel}"), strict=True):
            check(accuracy.channel_cell(views, channel, radius), cell, rel=0.2 if "H.264" in channel else 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", accuracy.TOLERANCES)
def test_documented_errors_of_depth_tolerances(tolerance):
    for scene, cell in zip(accuracy.SCENES, accuracy.documented(f"{100 * tolerance:g} %"), strict=True):
        check(accuracy.tolerance_cell(accuracy.SCENES[scene](), tolerance), cell)
