"""Crop and resize."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.video import crop, resize


def test_crop_cuts_the_box(frames):
    assert np.array_equal(crop(frames, (3, 5, 20, 30)), frames[:, 3:23, 5:35])
    assert np.array_equal(crop(frames, (0, 0, 64, 96)), frames)
    assert np.array_equal(crop(frames, (63, 95, 1, 1)), frames[:, 63:, 95:])


@pytest.mark.parametrize(
    "box", [(-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 65, 4), (61, 0, 4, 4), (0, 93, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0)]
)
def test_a_box_outside_of_the_frame_is_refused(frames, box):
    with pytest.raises(ValueError, match="is not inside frames of 64x96"):
        crop(frames, box)


def test_resize_preserves_a_constant():
    frames = np.full((2, 31, 47, 3), (10, 128, 250), np.uint8)
    for size in ((16, 80), (1, 1)):
        assert np.array_equal(resize(frames, size), np.full((2, *size, 3), (10, 128, 250), np.uint8))


def test_resize_to_the_same_size_copies(frames):
    same = resize(frames, frames.shape[1:3])
    assert np.array_equal(same, frames)
    assert not np.shares_memory(same, frames)


def test_shrinking_does_not_alias():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = resize(stripes, (16, 16)).astype(int)[:, :, 1:-1]  # at the edge the outermost stripe is repeated
    assert np.abs(small - 127).max() <= 12  # picking every fourth pixel would give 0 or 255


def test_pixel_areas_stay_aligned():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, None, :, None] * 2, (1, 8, 64, 3)).copy()
    double = resize(ramp, (16, 128))[0, 4, 8:-8, 0].astype(float)
    u = (np.arange(8, 120) + 0.5) / 2 - 0.5  # geometry.resize_intrinsics, inverted
    assert np.abs(double - 2 * u).max() <= 1


def catmull_rom(n, m):
    """(m, n) weights of n pixels for m, by the definition: a = -0.5, the support grown when shrinking, edge pixels repeated."""
    grow = max(1.0, n / m)
    weights = np.zeros((m, n))
    for i in range(m):
        centre = (i + 0.5) * n / m - 0.5
        taps = np.arange(int(centre - 2 * grow) - 1, int(centre + 2 * grow) + 3)
        x = np.abs(taps - centre) / grow
        w = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0.0))
        np.add.at(weights[i], np.clip(taps, 0, n - 1), w / w.sum())
    return weights


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(8, 90)] * 4), st.integers(0, 2**32 - 1))
def test_resize_is_the_bicubic_filter_of_its_definition(sizes, seed):
    h, w, new_h, new_w = sizes
    # Contrast is kept from overshooting, which is cut off between the passes.
    frame = np.random.default_rng(seed).integers(90, 166, (h, w, 3), np.uint8)
    expected = np.einsum("ih,hwc,jw->ijc", catmull_rom(h, new_h), frame.astype(float), catmull_rom(w, new_w))
    off = np.abs(resize(frame[None], (new_h, new_w))[0] - expected)
    # swscale treats the two pixels next to an edge slightly differently when enlarging.
    rows, columns = (
        slice(edge, -edge) for edge in (1 + math.ceil(2 * max(1, b / a)) for a, b in ((h, new_h), (w, new_w)))
    )
    assert off[rows, columns].max(initial=0.0) <= 1.0
    assert off.mean() <= 1.0


def test_resize_refuses_floats_and_empty_sizes():
    with pytest.raises(ValueError, match="float64"):
        resize(np.zeros((1, 8, 8, 3)), (4, 4))
    for size in ((0, 4), (4, 0)):
        with pytest.raises(
            ValueError, match=f"to {size[0]}x{size[1]}: expected uint8 frames and a size of at least 1x1"
        ):
            resize(np.zeros((1, 8, 8, 3), np.uint8), size)
