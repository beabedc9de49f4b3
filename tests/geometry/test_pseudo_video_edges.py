"""Edge cases of pseudo-videos: gradients, coinciding or outside anchors, the paper's colours, invalid input."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from hoibench.geometry import (
    depth_range,
    points_in_image,
    quantise,
    rasterise,
    read_back,
    render,
    visible_points,
)

S = np.array([1.0, 2.0])


def line(points, size=(16, 64)):
    """Points side by side at depths from near to far: (pixels (1, K, 2), depth (1, K), anchors (K, 2))."""
    u = np.linspace(4, size[1] - 5, points)
    anchors = np.stack([u, np.full(points, 8.0)], axis=-1)
    return anchors[None].copy(), np.linspace(1, 2, points)[None], anchors


def test_depth_passes_the_gradient_of_blue_and_of_s():
    pixels, depth, anchors = map(torch.from_numpy, line(6))
    s = torch.tensor([1.0, 2.0], requires_grad=True)
    video = render(pixels, depth, anchors, s.detach(), (16, 64)).requires_grad_()
    reading = read_back(video, anchors, s)
    weights = torch.arange(1.0, 7.0)
    (reading.depth * weights).sum().backward()
    share = (depth[0].float() - 1.0) * weights
    assert s.grad[1].item() == pytest.approx(share.sum().item(), rel=1e-5)
    assert s.grad[0].item() == pytest.approx((weights.sum() - share.sum()).item(), rel=1e-5)
    assert not video.grad[..., :2].any()
    for k, (u, v) in enumerate(anchors.round().long().tolist()):
        square = video.grad[0, v - 1 : v + 2, u - 1 : u + 2, 2]
        assert torch.allclose(square, torch.full((3, 3), (k + 1) / 0.9 / 9))
    assert torch.count_nonzero(video.grad) == 9 * 6
    assert not reading.pixels.requires_grad


def test_points_that_are_not_found_have_no_gradient():
    pixels, depth, anchors = map(torch.from_numpy, line(6))
    visible = torch.tensor([[True, False, True, True, True, False]])
    depth[~visible] = torch.nan
    s = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    depth.requires_grad_()
    video = render(pixels, depth, anchors, s, (16, 64), visible=visible)
    reading = read_back(video, anchors, s)
    assert torch.equal(reading.found, visible)
    reading.depth.square().sum().backward()
    assert torch.isfinite(s.grad).all() and torch.isfinite(depth.grad).all()
    # Drawn by s and read by s, the depth is the point's own whatever s is.
    assert s.grad.abs().max() < 1e-5
    assert torch.allclose(depth.grad[visible], 2 * depth.detach()[visible], atol=1e-5)
    assert not depth.grad[~visible].any()


def test_blue_beyond_its_range_still_has_a_gradient():
    pixels, depth, anchors = map(torch.from_numpy, line(3))
    video = render(pixels, depth, anchors, torch.tensor(S), (16, 64))
    video[..., 2] = (video[..., 2] * 1.2 - 0.1).clip(0, 1)
    video.requires_grad_()
    reading = read_back(video, anchors, torch.tensor(S))
    assert reading.found.all() and reading.depth[0, 0] < 1.0
    reading.depth.sum().backward()
    assert torch.count_nonzero(video.grad) == 27


def test_coinciding_anchors_count_as_the_one_with_the_lowest_index():
    pixels, depth, anchors = line(6)
    anchors[4], anchors[5] = anchors[1], anchors[1] + 1e-9
    reading = read_back(render(pixels, depth, anchors, S, (16, 64)), anchors, S)
    assert reading.found.tolist() == [[True, True, True, True, False, False]]
    assert reading.pixels[0, 1].tolist() == [48.0, 8.0]  # the middle one of the three


@pytest.mark.parametrize("points", [0, 1, 5])
def test_anchors_all_in_one_place_are_read(points):
    pixels, depth, _ = line(points)
    anchors = np.full((points, 2), 7.0)
    reading = read_back(render(pixels, depth, anchors, S, (16, 64)), anchors, S)
    assert reading.found.shape == (1, points)
    assert reading.found[0].tolist() == [k == 0 for k in range(points)]


def test_a_point_that_was_outside_the_image_in_frame_0_has_no_colour():
    pixels, depth, anchors = line(5)
    anchors[[1, 2, 3]] = [[-0.6, 8], [63.6, 8], [np.nan, 8]]
    video = render(pixels, depth, anchors, S, (16, 64))
    assert np.count_nonzero(video.any(axis=-1)) == 2 * 9
    visible = np.ones((1, 5), dtype=bool)
    assert np.array_equal(render(pixels, depth, anchors, S, (16, 64), visible=visible), video)
    assert read_back(video, anchors, S).found.tolist() == [[True, False, False, False, True]]
    anchors[:] = -50.0
    assert not render(pixels, depth, anchors, S, (16, 64)).any()
    assert not read_back(video, anchors, S).found.any()


def test_points_on_the_images_rim_have_colours_within_bounds():
    anchors = np.array([[-0.5, -0.5], [63.5, 15.5], [30.0, 8.0]])
    pixels = anchors.clip(0, [63, 15])[None]
    video = render(pixels, np.array([[1.0, 2.0, 1.5]]), anchors, S, (16, 64))
    assert video.max() == 1.0 and video[video > 0].min() == pytest.approx(0.1)
    assert read_back(video, anchors, S).found.all()


def test_the_papers_colours_lose_only_black_points():
    """darkest 0: the point at the corner of the image and of the depth range is black; its neighbours, and itself once deeper, are not."""
    anchors = np.array([[-0.5, -0.5], [20.0, 8.0], [0.0, 6.0]])
    pixels = np.array([[[1.0, 1.0], [20.0, 8.0], [1.0, 6.0]]]).repeat(2, axis=0)
    depth = np.array([[1.0, 1.5, 1.0], [1.6, 1.5, 1.0]])
    video = render(pixels, depth, anchors, S, (16, 64), darkest=0.0)
    reading = read_back(video, anchors, S, darkest=0.0)
    assert reading.found.tolist() == [[False, True, True], [True, True, True]]
    assert reading.depth[1] == pytest.approx(depth[1], abs=1e-4)
    # In 8 bits all darker than half a level is black, and no more.
    anchors[0] = [-0.4, -0.5]
    depth[1, 0] = 1.0 + 0.6 / 255
    coarse = read_back(quantise(render(pixels, depth, anchors, S, (16, 64), darkest=0.0)), anchors, S, darkest=0.0)
    assert coarse.found.tolist() == [[False, True, True], [True, True, True]]


@pytest.mark.parametrize("level", [0.0, 0.02, 0.08])
def test_dark_noise_is_background(level):
    pixels, depth, anchors = line(6)
    video = render(pixels, depth, anchors, S, (16, 64))
    noise = np.random.default_rng(0).uniform(0, level, video.shape).astype(np.float32)
    noisy = np.where(video > 0, video, noise)
    expected, got = read_back(video, anchors, S), read_back(noisy, anchors, S)
    assert np.array_equal(got.found, expected.found) and np.array_equal(got.pixels, expected.pixels)


def test_a_colour_far_from_every_anchor_is_ignored():
    _, _, anchors = line(6)  # 11 px apart
    video = np.full((1, 16, 64, 3), [0.1 + 0.9 * 20.5 / 64, 1.0, 0.5])  # (20, 15.5): 9.0 px from the nearest
    assert read_back(video, anchors, S, match_within=0.9).found.sum() == 1
    assert not read_back(video, anchors, S, match_within=0.8).found.any()


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_a_colour_at_the_maximum_distance_is_matched(array):
    """Anchors 8 pixels apart, a pixel half-way between two; all are exact in binary."""
    anchors = np.stack([np.arange(3.5, 64, 8), np.full(8, 7.5)], axis=-1)
    video = np.zeros((1, 16, 64, 3), dtype=np.float32)
    video[0, 2, 5] = [8 / 64, 8 / 16, 0.5]
    arguments = array(video), array(anchors), array(S)
    assert read_back(*arguments, darkest=0.0, match_within=0.5).found.tolist() == [[True] + [False] * 7]
    assert not read_back(*arguments, darkest=0.0, match_within=0.4999).found.any()


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_the_spacing_is_the_median_distance_to_the_nearest_anchor(array):
    """Anchors at 3.5, 7.5, 15.5, 31.5, 63.5: the next are 4, 4, 8, 16 and 32 pixels away."""
    anchors = np.stack([np.array([3.5, 7.5, 15.5, 31.5, 63.5]), np.full(5, 7.5)], axis=-1)
    video = np.zeros((1, 16, 64, 3), dtype=np.float32)
    video[0, 2, 5] = [40 / 64, 8 / 16, 0.5]  # (39.5, 7.5): 8 pixels from the fourth
    arguments = array(video), array(anchors), array(S)
    assert read_back(*arguments, darkest=0.0, match_within=1.0).found.tolist() == [[False, False, False, True, False]]
    assert not read_back(*arguments, darkest=0.0, match_within=0.9999).found.any()


def test_colours_as_near_to_black_as_to_the_box_are_background():
    """One anchor of colour (1/2, 1/2): its box of colours begins there, and the plane between it and black is r + g = 1/2."""
    anchors = np.array([[31.5, 7.5]])
    for level, found in ((0.25, False), (np.nextafter(np.float32(0.25), np.float32(1)), True)):
        video = np.zeros((1, 16, 64, 3), dtype=np.float32)
        video[0, 4, 4, :2] = level
        assert read_back(video, anchors, S, darkest=0.0).found.tolist() == [[found]]


def test_outliers_are_ignored():
    """A distant pixel in a point's colour changes neither its position nor its depth; a point of scattered pixels is not found."""
    pixels, depth, anchors = line(6)
    video = render(pixels, depth, anchors, S, (16, 64))
    video[0, 2, 30] = [*video[0, 8, 4, :2], 1.0]
    reading = read_back(video, anchors, S)
    assert reading.pixels[0, 0].tolist() == [4.0, 8.0]
    assert reading.depth[0, 0] == pytest.approx(1.0, abs=1e-4)
    video[0, :, 2:7] = 0.0
    for v, u in ((7, 53), (12, 20)):
        video[0, v, u] = video[0, 2, 30]
    assert read_back(video, anchors, S).found.tolist() == [[False, True, True, True, True, True]]
    assert read_back(video, anchors, S, radius=20).found.all()


def test_values_of_invisible_points_are_ignored():
    pixels, depth, anchors = line(4)
    expected = render(pixels[:, :2], depth[:, :2], anchors[:2], S, (16, 64))
    depth[0, 2], pixels[0, 2] = -1.0, np.nan
    pixels[0, 3] = np.inf
    assert np.array_equal(render(pixels, depth, anchors, S, (16, 64)), expected)
    depth[0, 2], depth[0, 3] = np.nan, np.inf
    visible = np.array([[True, True, False, False]])
    with np.errstate(all="raise"):
        assert np.array_equal(render(pixels, depth, anchors, S, (16, 64), visible=visible), expected)
        assert np.array_equal(render(pixels, depth, anchors, S, (16, 64), visible=visible, first_depth=True), expected)


@pytest.mark.parametrize(("kind", "value"), [("pixels", np.nan), ("depth", np.nan), ("depth", np.inf)])
@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_a_drawn_point_with_nan_is_named(kind, value, array):
    pixels, depth, anchors = line(4)
    pixels, depth = pixels.repeat(3, axis=0), depth.repeat(3, axis=0)
    {"pixels": pixels, "depth": depth}[kind][1, 2] = value
    arrays = [array(x) for x in (pixels, depth, anchors, S)]
    with pytest.raises(ValueError, match=rf"{kind} ha(?:s|ve) NaN.* frame 1, point 2"):
        render(*arrays, (16, 64))


def test_a_tracking_video_needs_the_depth_in_frame_0_of_points_drawn_later():
    pixels, depth, anchors = line(4)
    pixels, depth = pixels.repeat(2, axis=0), depth.repeat(2, axis=0)
    depth[0, 3] = np.nan
    visible = np.ones((2, 4), dtype=bool)
    visible[0, 3] = False
    render(pixels, depth, anchors, S, (16, 64), visible=visible)
    with pytest.raises(ValueError, match="frame 0's depth .* point 3"):
        render(pixels, depth, anchors, S, (16, 64), visible=visible, first_depth=True)


def changed(**kwargs):
    pixels, depth, anchors = line(4)
    return {"pixels": pixels, "depth": depth, "anchors": anchors, "s": S, "size": (16, 64)} | kwargs


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pixels": np.zeros((1, 4, 3))}, r"pixels has shape \(1, 4, 3\), expected \(N, K, 2\)"),
        ({"depth": np.zeros((1, 5))}, r"depth has shape \(1, 5\), expected \(1, 4\)"),
        ({"depth": np.zeros((1, 4), dtype=int)}, "depth has dtype int64, expected floating point"),
        ({"anchors": np.zeros((3, 2))}, r"anchors has shape \(3, 2\)"),
        ({"s": np.zeros(3)}, r"s has shape \(3,\)"),
        ({"s": np.array([1.0, np.nan])}, r"s is \(1.0, nan\)"),
        ({"s": np.array([2.0, 1.0])}, "near <= far"),
        ({"visible": np.ones((1, 4))}, "visible has dtype float64, expected bool"),
        ({"visible": np.ones((1, 3), dtype=bool)}, r"visible has shape \(1, 3\)"),
        *(({"radius": radius}, f"radius is {radius}, expected a whole number") for radius in (-1, 1.5, True)),
        *(
            ({"size": size}, f"size is {re.escape(str(size))}, expected a tuple")
            for size in ((0, 0), (32,), (32, 48, 3), (-1, 5), (32.0, 48.0), (True, 5), 32)
        ),
        ({"darkest": 1.0}, "darkest is 1.0"),
    ],
)
@pytest.mark.parametrize("first_depth", [False, True])
def test_invalid_input_to_render_is_named(first_depth, wrong, message):
    with pytest.raises(ValueError, match=message):
        render(**changed(**wrong), first_depth=first_depth)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"video": np.zeros((2, 8, 8, 4))}, r"video has shape \(2, 8, 8, 4\)"),
        ({"video": np.zeros((2, 8, 8, 3), dtype=np.uint8)}, "video has dtype uint8"),
        ({"video": np.stack([np.zeros((8, 8, 3)), np.full((8, 8, 3), np.nan)])}, "NaN or infinity in frame 1"),
        ({"video": np.full((2, 8, 8, 3), -1.0)}, r"from -1 to -1, expected \[0, 1\]: .* \(video \+ 1\) / 2"),
        ({"video": np.full((2, 8, 8, 3), 255.0)}, r"from 255 to 255, expected \[0, 1\]: .* video / 255"),
        ({"anchors": np.zeros((2, 3))}, "anchors has shape"),
        ({"s": np.array([np.inf, 1.0])}, r"s is \(inf, 1.0\)"),
        ({"radius": 1.5}, "radius is 1.5"),
        ({"darkest": -0.1}, "darkest is -0.1"),
        ({"match_within": 0.0}, "match_within is 0.0"),
    ],
)
def test_invalid_input_to_read_back_is_named(wrong, message):
    arguments = {"video": np.zeros((2, 8, 8, 3)), "anchors": np.zeros((2, 2)), "s": S} | wrong
    with pytest.raises(ValueError, match=message):
        read_back(**arguments)


def test_a_view_without_drawn_points_has_no_depth_range():
    with pytest.raises(ValueError, match="no point is drawn"):
        depth_range(np.array([[1.0, -1.0]]), np.array([[False, True]]))
    with pytest.raises(ValueError, match="NaN or infinity"):
        depth_range(np.array([[1.0, np.nan]]), np.array([[True, True]]))


def test_numpy_and_torch_do_not_mix():
    pixels, depth, anchors = line(4)
    with pytest.raises(TypeError, match=r"found numpy \(depth, anchors, s\) and torch on cpu \(pixels\)"):
        render(torch.from_numpy(pixels), depth, anchors, S, (16, 64))
    with pytest.raises(TypeError, match="s is a tuple, expected an array"):
        render(pixels, depth, anchors, (1.0, 2.0), (16, 64))
    with pytest.raises(TypeError, match="s is a tuple, expected an array"):
        read_back(np.zeros((1, 16, 64, 3)), anchors, (1.0, 2.0))
    with pytest.raises(TypeError, match="visible is a list, expected an array"):
        points_in_image(pixels, depth, (16, 64), visible=[[True] * 4])
    with pytest.raises(TypeError, match=r"found numpy \(visible\) and torch on cpu \(pixels, depth, anchors, s\)"):
        render(*map(torch.from_numpy, (pixels, depth, anchors, S)), (16, 64), visible=np.ones((1, 4), dtype=bool))


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_read_back_accepts_overshoot_of_a_decoder_and_refuses_other_ranges(array):
    pixels, depth, anchors = line(4)
    video = render(pixels, depth, anchors, S, (16, 64))
    beyond = np.where(video > 0, video * 1.1, -0.1)
    assert read_back(array(beyond), array(anchors), array(S), match_within=9.0).found.all()
    for other in (video * 2 - 1, video * 255):
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            read_back(array(other), array(anchors), array(S))
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            quantise(array(other))
    video[0, 3, 3, 1] = np.nan
    with pytest.raises(ValueError, match="video has NaN or infinity in frame 0"):
        quantise(array(video))


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_an_overshoot_of_half_is_the_maximum(array):
    video = np.zeros((1, 2, 2, 3), dtype=np.float32)
    video[0, 0, 0], video[0, 1, 1] = -0.5, 1.5
    assert quantise(array(video)).max() == 1.0 and quantise(array(video)).min() == 0.0
    for value in (np.nextafter(np.float32(-0.5), np.float32(-1)), np.nextafter(np.float32(1.5), np.float32(2))):
        beyond = video.copy()
        beyond[0, 0, 1, 2] = value
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            quantise(array(beyond))


def test_visible_points_checks_the_shape():
    index = rasterise(*line(4)[:2], (16, 64))
    with pytest.raises(ValueError, match="pixels has shape"):
        visible_points(index, np.zeros((2, 4, 2)))


def test_geometry_is_imported_without_torch_and_scipy():
    code = "import sys, hoibench.geometry.pseudo_video; sys.exit(bool({'torch', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
