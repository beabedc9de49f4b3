"""Maps between the frames of a clip and those of a method."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.video import FrameMap, first_frames, hold_last_frame

lengths = st.integers(1, 40)
frame_maps = st.builds(
    lambda size, start, shape, native: FrameMap(size, (*start, *shape), native),
    st.tuples(lengths, lengths),
    st.tuples(st.integers(-20, 50), st.integers(-20, 50)),
    st.tuples(lengths, lengths),
    st.tuples(lengths, lengths),
)


def to_native_pixels(frame_map, uv):
    """Pixels of the clip's pictures as pixels of the method's: the outer edges of box and native picture coincide."""
    top, left, height, width = frame_map.box
    h, w = frame_map.native
    return (uv - [left, top] + 0.5) * [w / width, h / height] - 0.5


@settings(max_examples=60, deadline=None)
@given(frame_maps)
def test_each_pixel_gets_the_cell_under_its_centre(frame_map):
    (height, width), (top, left, rows, columns), (h, w) = frame_map.size, frame_map.box, frame_map.native
    cells = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1)[None].astype(np.float32)
    found = frame_map.maps_to_source(cells)[0]

    uv = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    inside = ((uv >= [left, top]) & (uv < [left + columns, top + rows])).all(axis=-1)
    assert np.array_equal(np.isfinite(found).all(axis=-1), inside)
    assert (np.abs(found - to_native_pixels(frame_map, uv))[inside] <= 0.5 + 1e-6).all()


@settings(max_examples=30, deadline=None)
@given(frame_maps)
def test_the_intrinsics_project_to_the_mapped_pixel(frame_map):
    K = np.array([[50.0, 0.5, 11], [0, 40, 7], [0, 0, 1]])
    ray = np.array([0.3, -0.2, 1.0])
    expected = to_native_pixels(frame_map, (K @ ray)[:2])
    np.testing.assert_allclose((frame_map.K_native(K) @ ray)[:2], expected, atol=1e-9)


def test_a_box_beyond_the_picture_is_padding():
    frames = np.full((2, 20, 30, 3), 200, np.uint8)
    frame_map = FrameMap((20, 30), (-10, 10, 40, 40), (80, 80))
    native = frame_map.to_native(frames, fill=7)
    assert (native[:, 24:56, 4:36] == 200).all(), "the picture's rows 0-19 and columns 10-29"
    assert (native[:, :16] == 7).all() and (native[:, 64:] == 7).all() and (native[:, :, 44:] == 7).all()

    native[:] = 90
    back = frame_map.to_source(native, fill=255)
    assert (back[:, :, :10] == 255).all() and (back[:, :, 10:] == 90).all()


def test_a_smooth_picture_comes_back():
    y, x = np.mgrid[:96, :130]
    frame = np.stack([x, y, x + y], axis=-1).astype(np.uint8)[None]
    for frame_map in (FrameMap.letterbox((96, 130), (48, 64)), FrameMap.stretch((96, 130), (64, 128))):
        back = frame_map.to_source(frame_map.to_native(frame))
        assert np.abs(back.astype(int) - frame)[:, 4:-4, 4:-4].max() <= 1


@pytest.mark.parametrize(
    ("size", "native", "box"),
    [
        ((480, 704), (384, 512), (-24, 0, 528, 704)),
        ((384, 512), (480, 704), (0, -25, 384, 563)),
        ((30, 40), (384, 512), (0, 0, 30, 40)),
    ],
)
def test_letterbox_pads_one_axis_evenly(size, native, box):
    assert FrameMap.letterbox(size, native).box == box


def test_the_last_frame_is_held_and_the_first_ones_are_kept():
    frames = np.arange(3)[:, None]
    assert hold_last_frame(frames, 5)[:, 0].tolist() == [0, 1, 2, 2, 2]
    assert first_frames(hold_last_frame(frames, 5), 3).tolist() == frames.tolist()
    with pytest.raises(ValueError, match="has made 2 frames, expected at least 3"):
        first_frames(frames[:2], 3)
