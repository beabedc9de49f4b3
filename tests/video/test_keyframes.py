"""Keyframes of a video."""

import av
import numpy as np
import pytest

from hoibench.video import VideoError, decode, decode_keyframes, read_keyframes


@pytest.fixture(scope="module")
def mpeg4(tmp_path_factory, frames):
    """A video with a keyframe in six frames."""
    path = tmp_path_factory.mktemp("keyframes") / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames.shape[1:3], "yuv420p", 10_000_000
        stream.codec_context.gop_size = 6
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_keyframes_are_read_from_the_header(mpeg4, mp4):
    assert read_keyframes(mpeg4) == (0, 6, 12)
    assert len(read_keyframes(mp4)) >= 3


@pytest.mark.parametrize("video", ["mpeg4", "mp4"])
def test_keyframes_are_the_frames_with_their_numbers_in_any_order(video, request, frames):
    path = request.getfixturevalue(video)
    places = read_keyframes(path)
    for order in (places, places[::-1]):
        numbers, decoded = decode_keyframes(path, order, frames.shape[1:3])
        assert np.abs(decoded.astype(int) - decode(path, numbers)).mean() < 1.0
        assert np.abs(np.subtract(numbers, order)).max() <= 3


def test_pictures_are_means_of_areas(mp4, frames):
    height, width = frames.shape[1] // 4, frames.shape[2] // 4
    numbers, decoded = decode_keyframes(mp4, read_keyframes(mp4)[1:2], (height, width))
    means = decode(mp4, numbers)[0].reshape(height, 4, width, 4, 3).mean(axis=(1, 3))
    assert np.abs(decoded[0] - means).mean() < 4.0


def test_other_frames_are_refused(mpeg4):
    for place in (5, -1, 99):
        with pytest.raises(VideoError, match=f"has no keyframe at place {place}"):
            decode_keyframes(mpeg4, [place], (8, 8))
