"""``decode_crop`` equals decoding, cropping and resizing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.video import VideoError, crop, decode, decode_crop, encode, resize


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """12 frames of 98x134, not a multiple of any block size."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (23, 31, 3), np.uint8).repeat(5, 0).repeat(5, 1)
    frames = np.stack([texture[i : i + 98, i : i + 134] for i in range(12)])
    path = tmp_path_factory.mktemp("crop") / "video.mp4"
    encode(path, frames, fps=30)
    return path


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_result_equals_decode_crop_and_resize(path, data):
    top, left = data.draw(st.integers(0, 90)), data.draw(st.integers(0, 126))
    box = (top, left, data.draw(st.integers(4, 98 - top)), data.draw(st.integers(4, 134 - left)))
    size = data.draw(st.tuples(st.integers(4, 60), st.integers(4, 60)))
    frames = data.draw(st.lists(st.integers(0, 11), min_size=1, max_size=6))
    expected = resize(crop(decode(path, frames), box), size)
    np.testing.assert_array_equal(decode_crop(path, frames, box, size), expected)


def test_no_indices_give_no_frames(path):
    assert decode_crop(path, [], (0, 0, 98, 134), (8, 8)).shape == (0, 8, 8, 3)


@pytest.mark.parametrize(
    "box", [(-1, 0, 8, 8), (0, -1, 8, 8), (0, 127, 8, 8), (91, 0, 8, 8), (0, 0, 0, 8), (0, 0, 8, 0)]
)
def test_a_box_outside_of_the_frames_is_refused(path, box):
    with pytest.raises(VideoError, match=r"video\.mp4: crop box .* is not inside frames of 98x134"):
        decode_crop(path, [0], box, (8, 8))


@pytest.mark.parametrize("index", [-1, 12])
def test_a_frame_outside_of_the_video_is_refused(path, index):
    with pytest.raises(VideoError, match=rf"video\.mp4 has no frame {index}: expected 0 to 11"):
        decode_crop(path, [0, index], (0, 0, 98, 134), (8, 8))


@pytest.mark.parametrize("size", [(0, 8), (8, 0)])
def test_an_empty_size_is_refused(path, size):
    with pytest.raises(ValueError, match=f"to {size[0]}x{size[1]}: expected at least 1x1"):
        decode_crop(path, [0], (0, 0, 98, 134), size)


def test_the_full_frame_and_its_last_pixel_are_inside(path):
    full = decode(path, [3])
    np.testing.assert_array_equal(decode_crop(path, [3], (0, 0, 98, 134), (98, 134)), resize(full, (98, 134)))
    np.testing.assert_array_equal(decode_crop(path, [3], (97, 133, 1, 1), (1, 1)), full[:, 97:, 133:])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_video_is_refused_even_for_its_first_frame(path, tmp_path, share):
    cut = tmp_path / "cut.mp4"
    data = path.read_bytes()
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        decode_crop(cut, [0], (0, 0, 98, 134), (8, 8))
