"""One view's motion pseudo-video at the paper's size (49 frames of 480x704, 1600 points): fast and plain implementations."""

from functools import partial

import numpy as np
import plain_pseudo_video as plain
import pytest
import torch
from moving_bodies import moving_bodies

from hoibench.geometry import colour_matching as matching
from hoibench.geometry import depth_range, points_in_image, read_back, render

SIZE = (480, 704)


def scene(**kwargs):
    pixels, depth, _ = moving_bodies(**kwargs)
    size = kwargs.get("size", SIZE)
    drawn = points_in_image(pixels, depth, size)
    return pixels, depth, pixels[0], depth_range(depth, drawn), size


@pytest.fixture(scope="module")
def paper():
    return scene()


@pytest.mark.benchmark(group="pseudo-video: draw a view, 49x480x704, 1600 points")
@pytest.mark.parametrize("array", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_draw(benchmark, paper, array):
    *arrays, size = paper
    benchmark.pedantic(render, (*map(array, arrays), size), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="pseudo-video: draw a view, 49x480x704, 1600 points")
def test_draw_plainly(benchmark, paper):
    visible = np.ones(paper[1].shape, dtype=bool)
    video = benchmark.pedantic(plain.draw, (*paper, visible), rounds=1)
    assert np.array_equal(video, render(*paper))


@pytest.mark.benchmark(group="pseudo-video: read a view, 49x480x704, 1600 points")
@pytest.mark.parametrize("array", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_read(benchmark, paper, array):
    video = render(*paper)
    reading = benchmark.pedantic(read_back, tuple(map(array, (video, *paper[2:4]))), rounds=5, warmup_rounds=1)
    assert reading.found.any()


@pytest.mark.benchmark(group="pseudo-video: read a view, 49x480x704, 1600 points")
def test_read_without_a_tree(benchmark, paper, monkeypatch):
    video = render(*paper)
    expected = read_back(video, *paper[2:4])
    monkeypatch.setattr(
        matching, "nearest_by_tree", lambda places, reach: partial(matching.nearest_by_search, places=places)
    )
    reading = benchmark.pedantic(read_back, (video, *paper[2:4]), rounds=1)
    assert np.array_equal(reading.pixels, expected.pixels)


@pytest.mark.benchmark(group="pseudo-video: read a small view, 4x96x128, 100 points")
@pytest.mark.parametrize("read", [read_back, plain.read], ids=["fast", "plain"])
def test_read_small(benchmark, read):
    small = scene(frames=4, points=100, size=(96, 128))
    video = render(*small)
    reading = benchmark.pedantic(read, (video, *small[2:4]), rounds=2)
    pixels = reading[0] if isinstance(reading, tuple) else reading.pixels
    assert np.array_equal(pixels, plain.read(video, *small[2:4])[0])
