"""What the head of a video says."""

import time

import av
import numpy as np
import pytest

from hoibench.video import VideoError, encode, probe, read_video_header
from hoibench.video.info import open_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("head") / "video.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (7, 64, 96, 3), np.uint8)
    encode(path, noise, 30.0)
    return path


def test_it_is_what_the_packets_say(video):
    head, info = read_video_header(video), probe(video)
    assert (head.frames, head.height, head.width, head.fps) == (7, 64, 96, 30.0)
    assert vars(head) == {name: getattr(info, name) for name in vars(head)}


@pytest.mark.parametrize("codec", ["mpeg4", "h264", "hevc"])
def test_it_is_read_of_every_codec_that_tacos_copies_use(tmp_path, codec):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for shade in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 40 * shade, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    head = read_video_header(path)
    assert (head.frames, head.height, head.width, head.fps) == (5, 64, 96, 30.0)


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.999])
def test_a_file_shorter_than_its_boxes_is_refused(video, tmp_path, keep):
    path = tmp_path / "cut.mp4"
    data = video.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        read_video_header(path)


def test_nothing_is_decoded(tmp_path):
    """A frame of 6 million pixels takes far longer to decode than a head to read."""
    path = tmp_path / "large.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (1, 500, 750, 3), np.uint8)
    encode(path, noise.repeat(4, axis=1).repeat(4, axis=2), 30.0)

    def seconds(look):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            look()
            times.append(time.perf_counter() - start)
        return min(times)

    def decode_first():
        with open_video(path) as container:
            next(container.decode(video=0))

    assert seconds(lambda: read_video_header(path)) < seconds(decode_first) / 5
