"""Rendering and reading back equal their plain references and keep the documented error bounds."""

from functools import partial

import numpy as np
import plain_pseudo_video as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.geometry import colour_matching as matching
from hoibench.geometry import (
    depth_range,
    fully_visible_points,
    points_in_image,
    quantise,
    rasterise,
    read_back,
    render,
    visible_points,
)
from hoibench.geometry.splatting import draw_frame

SIZE = (20, 28)
S = np.array([1.0, 2.0])
seeds = st.integers(0, 100_000)


def scene(seed, frames=3, points=12, size=SIZE):
    """Random points: some outside the image, behind the camera, at equal or nearly equal depth; invisible points are NaN."""
    rng = np.random.default_rng(seed)
    height, width = size
    pixels = rng.uniform(-4, [width + 3, height + 3], (frames, points, 2))
    depth = np.round(rng.uniform(-0.1, 1.0, (frames, points)), 1)
    depth *= np.where(rng.random(depth.shape) < 0.5, 1.0, rng.uniform(0.97, 1.03, depth.shape))
    anchors = rng.uniform(0, [width - 1, height - 1], (points, 2))
    visible = rng.random((frames, points)) < 0.8
    pixels[~visible & (rng.random(visible.shape) < 0.5)] = np.nan
    depth[~visible & (rng.random(visible.shape) < 0.5)] = np.nan
    return *(x.astype(np.float32) for x in (pixels, depth, anchors)), visible


def encode(seed, radius=1, darkest=0.1, **kwargs):
    """A rendered scene: which points were drawn, s and the video."""
    pixels, depth, anchors, visible = scene(seed, **kwargs)
    s = np.array([0.05, 1.05], dtype=np.float32)
    video = render(pixels, depth, anchors, s, SIZE, visible=visible, radius=radius, darkest=darkest)
    return pixels, depth, anchors, visible, s, video


@given(seeds, st.integers(0, 3), st.sampled_from([0.0, 0.02, 0.5]))
@settings(max_examples=40, deadline=None)
def test_rasterise_equals_a_search_for_each_pixel(seed, radius, depth_tolerance):
    pixels, depth, _, visible = scene(seed, points=30)
    if seed % 2:
        pixels = np.round(pixels * 2) / 2  # many equal distances
    options = {"visible": visible, "radius": radius, "depth_tolerance": depth_tolerance}
    index = rasterise(pixels, depth, SIZE, **options)
    assert np.array_equal(index, plain.draw_index(pixels, depth, SIZE, **options))


@given(seeds, st.integers(0, 2))
@settings(max_examples=10, deadline=None)
def test_a_frame_of_tensors_is_drawn_alike(seed, radius):
    """Tensors on a GPU are drawn by torch, others by numpy."""
    pixels, depth, _, visible = scene(seed, frames=1)
    arrays = pixels[0].astype(np.float64), depth[0].astype(np.float64), points_in_image(pixels, depth, SIZE, visible=visible)[0]  # fmt: skip
    expected = draw_frame(*arrays, SIZE, radius, 0.02)
    drawn = draw_frame(*map(torch.from_numpy, arrays), SIZE, radius, 0.02)
    assert all(np.array_equal(one.numpy(), two) for one, two in zip(drawn, expected, strict=True))


def test_points_on_one_surface_share_its_pixels():
    """Three points 2 px apart on a slope: each has the pixels that are nearest to it, though their squares overlap."""
    pixels = np.array([[[6.0, 6.0], [8.0, 6.0], [10.0, 6.0]]])
    depth = np.array([[1.0, 1.01, 1.02]])
    index = rasterise(pixels, depth, (13, 17), radius=3)
    assert index[0, 6].tolist() == [-1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, -1, -1, -1]
    reading = read_back(render(pixels, depth, pixels[0], S, (13, 17), radius=3), pixels[0], S, radius=3)
    assert np.abs(reading.pixels - pixels).max() <= 1.5
    front = rasterise(pixels, depth, (13, 17), radius=3, depth_tolerance=0.0)
    assert front[0, 6].tolist() == [-1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, -1, -1, -1]


@pytest.mark.parametrize(("behind", "pixels_of_front"), [(0.019, 15), (0.021, 25)])
def test_a_point_clearly_in_front_keeps_its_square(behind, pixels_of_front):
    pixels = np.array([[[6.0, 6.0], [7.2, 6.0]]])
    depth = np.array([[1.0, 1.0 + behind]])
    for scale in (1.0, 5.0):  # of the scene: the picture is the same
        assert (rasterise(pixels, scale * depth, (13, 17), radius=2) == 0).sum() == pixels_of_front


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_points_of_a_slope_are_read_within_half_a_pixel_though_their_squares_overlap(radius):
    """A grid of points 2 radius - 2 px or more apart, whose depth grows by 1 % over a square."""
    step = max(2 * radius - 2, 1)
    anchors = grid(step, (50, 60)) + 0.3
    depth = 1.0 + 0.01 * anchors[None, :, 0] / (2 * radius + 1)
    s = depth_range(depth, depth > 0)
    reading = read_back(render(anchors[None], depth, anchors, s, (50, 60), radius=radius), anchors, s, radius=radius)
    low, high = anchors.min(axis=0) + 2 * radius, anchors.max(axis=0) - 2 * radius
    inner = (anchors > low).all(axis=1) & (anchors < high).all(axis=1)
    assert inner.sum() > 50 and reading.found.all()
    assert np.abs(reading.pixels[0] - anchors)[inner].max() <= 0.5


@given(seeds, st.integers(0, 2), st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=20, deadline=None)
def test_colours_follow_the_paper(seed, radius, darkest):
    pixels, depth, anchors, visible, s, video = encode(seed, radius, darkest)
    assert np.array_equal(video, plain.draw(pixels, depth, anchors, s, SIZE, visible, radius, darkest))


def test_a_known_video():
    """One point 1/4 and 1/2 into a 4 x 8 image, at 1/4 of its depth range, then at the far end and one pixel on."""
    pixels = np.array([[[1.5, 1.5]], [[2.4, 1.0]]])
    depth = np.array([[1.25], [2.0]])
    video = render(pixels, depth, pixels[0], np.array([1.0, 2.0]), (4, 8), radius=0, darkest=0.2)
    assert video.dtype == np.float32
    assert np.count_nonzero(video.any(axis=-1)) == 2
    assert video[0, 2, 2] == pytest.approx([0.4, 0.6, 0.4])  # halves round to the even pixel
    assert video[1, 1, 2] == pytest.approx([0.4, 0.6, 1.0])


@given(seeds, st.integers(0, 2), st.sampled_from([0.0, 0.1]), st.sampled_from([0.3, 1.5]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_read_back_equals_exhaustive_search(seed, radius, darkest, match_within, eight_bit):
    """Includes dimmed and noisy videos, and anchors that coincide or are outside the image."""
    _, _, anchors, _, s, video = encode(seed, radius, darkest)
    rng = np.random.default_rng(seed)
    anchors[5] = anchors[2]
    anchors[7] = [-3.0, 4.0]
    anchors[9] = np.nan
    video = video * rng.uniform(0.4, 1.0, (len(video), 1, 1, 1)) + rng.uniform(0, 0.08, video.shape)
    video = np.clip(video, 0, 1).astype(np.float32)
    video = quantise(video) if eight_bit else video
    reading = read_back(video, anchors, s, radius=radius, darkest=darkest, match_within=match_within)
    pixels, depth, found = plain.read(video, anchors, s, radius, darkest, match_within)
    assert np.array_equal(reading.found, found)
    assert np.array_equal(reading.pixels, pixels)
    assert np.array_equal(reading.depth, depth)
    assert not found[:, [5, 7, 9]].any()


def test_ties_go_to_the_lowest_index():
    """A grid of anchors, and colours half-way between two and between four of them."""
    v, u = (x.ravel() for x in np.mgrid[0:20:4, 0:28:4])
    anchors = np.stack([u, v], axis=-1)[::-1].astype(np.float64)
    half = np.stack([u + 2, v], axis=-1), np.stack([u + 2, v + 2], axis=-1)
    pixels = np.stack([u, v], axis=-1)[None].astype(np.float64)
    for shifted in half:
        video = render(
            pixels, np.ones((1, len(u))), shifted.astype(np.float64), np.ones(2), (32, 32), radius=0, darkest=0.0
        )
        reading = read_back(video, anchors, np.ones(2), darkest=0.0)
        expected = plain.read(video, anchors, np.ones(2), darkest=0.0)
        assert reading.found.any() and not reading.found.all()
        assert np.array_equal(reading.found, expected[2])
        assert np.array_equal(reading.pixels, expected[0])


@given(seeds, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_the_documented_error_bounds_hold(seed, radius):
    pixels, depth, anchors, visible, s, video = encode(seed, radius)
    index = rasterise(pixels, depth, SIZE, visible=visible, radius=radius)
    drawn = points_in_image(pixels, depth, SIZE, visible=visible)
    shown, whole = visible_points(index, pixels), fully_visible_points(index, len(anchors), radius=radius)
    reading = read_back(video, anchors, s, radius=radius)
    lateral = np.abs(reading.pixels - pixels).max(axis=-1)
    assert lateral[whole].max(initial=0) <= 0.5 + 1e-5
    assert lateral[reading.found].max(initial=0) <= radius + 0.5 + 1e-5
    assert np.abs(reading.depth - depth)[reading.found].max(initial=0) < 1e-4
    assert reading.found[shown].all() and shown[whole].all()
    assert not reading.found[~drawn].any()
    for n, k in zip(*np.nonzero(drawn), strict=True):
        assert reading.found[n, k] == (index[n] == k).any()
    assert (reading.pixels[~reading.found] == 0).all() and (reading.depth[~reading.found] == 0).all()


def grid(step, size, offset=0):
    v, u = np.mgrid[step : size[0] - step : step, step : size[1] - step : step]
    return np.stack([u.ravel() + offset, v.ravel()], axis=-1).astype(np.float64)


def test_of_two_surfaces_that_cross_the_nearer_one_is_found():
    """Two sheets of points on the same pixels swap their depth order half-way."""
    sheet = grid(4, (40, 56))
    here, frames = len(sheet), 9
    pixels = np.broadcast_to(np.concatenate([sheet, sheet]), (frames, 2 * here, 2))
    time = np.linspace(0, 1, frames)[:, None]
    depth = np.concatenate([np.repeat(1 + time, here, 1), np.repeat(2 - time, here, 1)], axis=1)
    anchors = np.concatenate([sheet, sheet + 1.5])
    video = render(pixels, depth, anchors, depth_range(depth, depth > 0), (40, 56))
    reading = read_back(video, anchors, np.array([1.0, 2.0]))
    for n in range(frames):
        first = depth[n, 0] <= depth[n, -1]  # at the crossing the lower index wins
        assert (reading.found[n, :here] == first).all()
        assert (reading.found[n, here:] != first).all()
    assert np.abs(reading.depth - depth)[reading.found].max() < 1e-4
    assert np.abs(reading.pixels - pixels)[reading.found].max() == 0


def test_a_half_covered_point_is_found_at_its_visible_half():
    pixels = np.array([[[5.0, 5.0], [6.0, 5.0]]])
    depth = np.array([[2.0, 1.0]])
    index = rasterise(pixels, depth, (12, 12))
    assert not visible_points(index, pixels)[0, 0] and visible_points(index, pixels)[0, 1]
    assert fully_visible_points(index, 2).tolist() == [[False, True]]
    video = render(pixels, depth, np.array([[2.0, 2.0], [9.0, 9.0]]), np.array([1.0, 2.0]), (12, 12))
    reading = read_back(video, np.array([[2.0, 2.0], [9.0, 9.0]]), np.array([1.0, 2.0]))
    assert reading.pixels.tolist() == [[[4.0, 5.0], [6.0, 5.0]]]
    assert reading.found.all()


def test_a_square_cut_by_the_border_is_not_fully_visible():
    pixels = np.array([[[0.0, 5.0], [6.0, 5.0], [11.4, 11.4], [11.6, 3.0]]])
    index = rasterise(pixels, np.ones((1, 4)), (12, 12))
    assert fully_visible_points(index, 4).tolist() == [[False, True, False, False]]
    assert visible_points(index, pixels).tolist() == [[True, True, True, False]]
    assert [(index == k).sum() for k in range(4)] == [6, 9, 4, 0]


def test_the_depth_range_covers_drawn_points_in_front():
    depth = np.array([[1.0, 5.0, -2.0], [np.nan, 0.5, 3.0]])
    drawn = np.array([[True, False, True], [False, False, True]])
    s = depth_range(depth, drawn)
    assert s.dtype == np.float32 and s.tolist() == [1.0, 3.0]
    assert torch.equal(depth_range(torch.from_numpy(depth), torch.from_numpy(drawn)), torch.tensor([1.0, 3.0]))


def test_a_clip_of_one_depth_is_drawn_and_read():
    anchors = grid(4, (20, 20))
    pixels, depth = anchors[None], np.full((1, len(anchors)), 0.7, dtype=np.float32)
    s = depth_range(depth, depth > 0)
    assert s[0] == s[1]
    reading = read_back(render(pixels, depth, anchors, s, (20, 20)), anchors, s)
    assert reading.found.all() and (reading.depth == np.float32(0.7)).all()


def test_depths_outside_the_range_are_clipped():
    anchors = np.array([[5.0, 5.0], [15.0, 5.0]])
    s = np.array([1.0, 2.0])
    reading = read_back(render(anchors[None], np.array([[0.5, 9.0]]), anchors, s, (20, 20)), anchors, s)
    assert reading.depth.tolist() == [[1.0, 2.0]]


def test_a_tracking_video_keeps_frame_0s_depth_but_not_its_occlusion():
    anchors = np.array([[5.0, 5.0], [15.0, 5.0]])
    pixels = np.array([anchors, [[8.0, 5.0], [8.0, 5.0]]])
    depth = np.array([[1.0, 2.0], [1.5, 1.2]])  # frame 1: the second point is in front
    s = np.array([1.0, 2.0])
    video = render(pixels, depth, anchors, s, (20, 20), first_depth=True)
    reading = read_back(video, anchors, s)
    assert reading.found.tolist() == [[True, True], [False, True]]
    assert reading.pixels[1, 1].tolist() == [8.0, 5.0]
    assert reading.depth[:, 1].tolist() == [2.0, 2.0]
    same = np.broadcast_to(depth[0], depth.shape)
    assert np.array_equal(
        render(pixels, same, anchors, s, (20, 20), first_depth=True), render(pixels, same, anchors, s, (20, 20))
    )


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_quantise_equals_storing_in_8_bits(seed):
    video = np.random.default_rng(seed).uniform(-0.1, 1.1, (2, 3, 4, 3)).astype(np.float32)
    stored = np.clip(np.round(video * 255), 0, 255).astype(np.uint8)
    assert quantise(video).dtype == np.float32
    assert np.array_equal(quantise(video), stored.astype(np.float32) / 255)
    assert np.array_equal(quantise(quantise(video)), quantise(video))
    assert np.array_equal(quantise(torch.from_numpy(video)).numpy(), quantise(video))


@given(seeds, st.integers(0, 2), st.sampled_from([0.0, 0.1]))
@settings(max_examples=15, deadline=None)
def test_torch_gives_the_same(seed, radius, darkest):
    pixels, depth, anchors, visible, s, video = encode(seed, radius, darkest)
    tensors = [torch.from_numpy(x) for x in (pixels, depth, anchors, s)]
    mask = torch.from_numpy(visible)
    options = {"radius": radius, "darkest": darkest}
    drawn = render(*tensors, SIZE, visible=mask, **options)
    assert drawn.dtype == torch.float32 and np.array_equal(drawn.numpy(), video)
    index = rasterise(*tensors[:2], SIZE, visible=mask, radius=radius)
    assert np.array_equal(index.numpy(), rasterise(pixels, depth, SIZE, visible=visible, radius=radius))
    assert np.array_equal(visible_points(index, tensors[0]).numpy(), visible_points(index.numpy(), pixels))
    assert np.array_equal(
        fully_visible_points(index, 12, radius=radius).numpy(), fully_visible_points(index.numpy(), 12, radius=radius)
    )
    noisy = np.clip(video + np.random.default_rng(seed).normal(0, 0.02, video.shape), 0, 1).astype(np.float32)
    ours, theirs = (
        read_back(noisy, anchors, s, darkest=darkest),
        read_back(torch.from_numpy(noisy), *tensors[2:], darkest=darkest),
    )
    for name in ("pixels", "depth", "found"):
        assert np.array_equal(getattr(theirs, name).numpy(), getattr(ours, name)), name


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_exhaustive_search_equals_the_tree(monkeypatch, array):
    """GPU tensors use exhaustive search, in chunks."""
    _, _, anchors, _, s, video = encode(7, points=40)
    noisy = np.clip(video + np.random.default_rng(0).normal(0, 0.03, video.shape), 0, 1).astype(np.float32)
    expected = read_back(noisy, anchors, s)
    monkeypatch.setattr(
        matching, "nearest_by_tree", lambda places, reach: partial(matching.nearest_by_search, places=places)
    )
    monkeypatch.setattr(matching, "MAX_DISTANCES", 1000)
    result = read_back(array(noisy), array(anchors), array(s))
    for name in ("pixels", "depth", "found"):
        assert np.array_equal(np.asarray(getattr(result, name)), getattr(expected, name)), name
