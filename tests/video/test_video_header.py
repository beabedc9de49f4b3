"""The header of a video."""

import time
from fractions import Fraction

import av
import numpy as np
import pytest

from hoibench.video import VideoError, encode, probe, read_video_header
from hoibench.video.info import open_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("header") / "video.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (7, 64, 96, 3), np.uint8)
    encode(path, noise, 30.0)
    return path


def test_the_header_agrees_with_the_packets(video):
    header, info = read_video_header(video), probe(video)
    assert (header.frames, header.height, header.width, header.fps) == (7, 64, 96, 30.0)
    assert vars(header) == {name: getattr(info, name) for name in vars(header) if name != "unevenness"} | {
        "unevenness": 0.0
    }


def test_unevenness_is_the_largest_distance_from_the_times_of_a_constant_rate(tmp_path, frames):
    path = tmp_path / "variable.mp4"
    times = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12]
    write_at(path, frames[: len(times)], times)
    places = np.array(times) * (len(times) - 1) / times[-1]
    assert read_video_header(path).unevenness == pytest.approx(np.abs(places - np.arange(len(times))).max(), abs=1e-3)
    write_at(path, frames, [*range(len(frames))])
    assert read_video_header(path).unevenness == 0.0


def write_at(path, frames, times):
    """Write frames (N, H, W, 3) that are shown at these times, in thirtieths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for frame, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("codec", ["mpeg4", "h264", "hevc"])
def test_the_header_of_every_codec_in_copies_of_taco_is_read(tmp_path, codec):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for shade in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 40 * shade, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    header = read_video_header(path)
    assert (header.frames, header.height, header.width, header.fps) == (5, 64, 96, 30.0)


def test_metadata_in_another_encoding_are_read_or_refused_with_the_name_of_the_file(video, tmp_path):
    path = tmp_path / "latin.mp4"
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "TITLE"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"\xe9t\xe9 \xff"))
    try:
        assert probe(path).frames == 7
    except VideoError as error:  # PyAV before 19
        assert f"{path} has metadata that are not UTF-8" in str(error)


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.999])
def test_a_file_shorter_than_its_boxes_is_refused(video, tmp_path, keep):
    path = tmp_path / "cut.mp4"
    data = video.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        read_video_header(path)


def test_no_frame_is_decoded(tmp_path):
    """Decoding a frame of 6 million pixels takes far longer than reading the header."""
    path = tmp_path / "large.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (1, 500, 750, 3), np.uint8)
    encode(path, noise.repeat(4, axis=1).repeat(4, axis=2), 30.0)

    def seconds(read):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            read()
            times.append(time.perf_counter() - start)
        return min(times)

    def decode_first():
        with open_video(path) as container:
            next(container.decode(video=0))

    assert seconds(lambda: read_video_header(path)) < seconds(decode_first) / 5
