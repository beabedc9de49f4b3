"""Decoding gives the frames of ffmpeg by index and refuses every kind of damaged file."""

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoibench.video import VideoError, VideoInfo, decode, decoding, encode, probe
from hoibench.video.info import video_stream


def needs_ffmpeg(test):
    """Skip where there is no ffmpeg command, which HOIBENCH_NO_SKIPS=ffmpeg forbids."""
    missing = shutil.which("ffmpeg") is None
    return pytest.mark.ffmpeg(pytest.mark.skipif(missing, reason="ffmpeg is not installed")(test))


def ffmpeg_rgb(path, *options):
    command = ["ffmpeg", "-v", "error", "-i", path, *options, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)


def test_probe_reads_the_stream(mp4):
    assert probe(mp4) == VideoInfo(frames=17, height=64, width=96, fps=8.0, codec="h264")


@needs_ffmpeg
def test_frames_equal_those_of_ffmpeg(mp4):
    video = decode(mp4)
    assert np.abs(video.astype(int) - ffmpeg_rgb(mp4).reshape(video.shape)).max() <= 1


@pytest.mark.field
@needs_ffmpeg
def test_frames_of_a_published_video_equal_those_of_ffmpeg(published):
    video = decode(published)  # untagged H.264 with B-frames
    assert video.shape == (49, 256, 384, 3)
    assert np.abs(video.astype(int) - ffmpeg_rgb(published).reshape(video.shape)).max() <= 1


@pytest.mark.field
@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("trimmed.mp4", ("-c", "copy")),  # an edit list hides frames that are in the file
        ("copy.mkv", ("-c", "copy")),
        ("stream.ts", ("-c", "copy")),
        ("other.avi", ("-c:v", "mpeg4")),
    ],
)
def test_frames_of_other_containers_are_counted_as_ffmpeg_does(published, tmp_path, name, options):
    path = tmp_path / name
    begin = ("-ss", "1.3") if name == "trimmed.mp4" else ()
    subprocess.run(["ffmpeg", "-v", "error", *begin, "-i", published, *options, path], check=True)
    video = decode(path)
    assert len(video) == (38 if begin else 49)
    assert np.abs(video.astype(int) - ffmpeg_rgb(path, "-vsync", "passthrough").reshape(video.shape)).max() <= 1


@given(indices=st.lists(st.integers(0, 16), max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_are_decoded_by_index_in_the_given_order(mp4, indices):
    video = decode(mp4)
    assert np.array_equal(decode(mp4, indices), video[indices])


def test_an_index_outside_of_the_video_is_refused(mp4):
    for index in (-1, 17):
        with pytest.raises(VideoError, match=rf"no frame {index}: expected 0 to 16"):
            decode(mp4, [0, index])
    with pytest.raises(TypeError):
        decode(mp4, [0.5])


def test_a_missing_file_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        decode(tmp_path / "gone.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"no video at all " * 50, "cannot be read as a video"), (b"\0\0\0 ftypisom", "cannot be read")],
)
def test_files_that_are_not_videos_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    for read in (probe, decode):
        with pytest.raises(VideoError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_an_unreadable_file_is_not_a_damaged_one(mp4, monkeypatch):
    def refuse(*_, **__):
        raise av.error.PermissionError(13, "Permission denied", str(mp4))

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(PermissionError):
        probe(mp4)


def test_the_rate_of_one_frame_is_the_guessed_rate(mp4, tmp_path):
    """One frame has no average rate."""
    path = tmp_path / "one.nut"
    with av.open(str(mp4)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packet = next(source.demux(video=0))
        packet.stream, packet.duration = stream, 0
        target.mux(packet)
    with av.open(str(path)) as container:
        assert not container.streams.video[0].average_rate  # None, or 0/0 from PyAV 19 on
    assert (probe(path).frames, probe(path).fps) == (1, 8.0)


def test_sound_may_last_longer_than_the_frames(frames, tmp_path):
    path = tmp_path / "long.mkv"
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=8), container.add_stream("pcm_s16le", rate=8000)
        video.height, video.width = frames.shape[1:3]
        for rgb in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(video.encode(None))
        noise = av.AudioFrame.from_ndarray(np.ones((1, 80_000), np.int16), format="s16", layout="mono")
        noise.sample_rate = 8000
        container.mux(sound.encode(noise))
    assert probe(path).frames == len(decode(path)) == 17


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(VideoError, match="is a folder, expected a video file"):
        probe(tmp_path)


def test_a_video_without_frames_is_refused(mp4, tmp_path):
    path = tmp_path / "none.avi"
    with av.open(str(mp4)) as source, av.open(str(path), "w") as target:
        target.add_stream_from_template(source.streams.video[0])
        target.start_encoding()
    with pytest.raises(VideoError, match="none.avi has 0 frames: write it again"):
        probe(path)


def test_a_file_without_a_video_stream_is_refused(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(VideoError, match="no video stream"):
        probe(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused_even_for_its_first_frame(mp4, tmp_path, share):
    data = mp4.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    for read in (probe, decode, lambda p: decode(p, [0])):
        with pytest.raises(VideoError, match="truncated"):
            read(path)


def test_the_last_byte_counts(mp4, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(mp4.read_bytes()[:-1])
    with pytest.raises(VideoError, match="16 complete frames, expected 17"):
        decode(path)


def packets(path):
    """Return offset and length of each packet in a file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def test_a_missing_packet_is_detected(frames, tmp_path):
    """Matroska does not store the number of frames; the duration reveals the missing one."""
    path = tmp_path / "wave.mkv"
    encode(path, frames, fps=8)
    path.write_bytes(path.read_bytes()[: packets(path)[-1][0]])
    for read in (probe, lambda p: decode(p, [0])):
        with pytest.raises(VideoError, match="16 complete frames, expected 17 from its header"):
            read(path)


def test_frames_that_an_edit_list_hides_do_not_count(mp4, tmp_path):
    path = tmp_path / "trimmed.mp4"
    with av.open(str(mp4)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                packet.pts -= 3 * packet.duration
                packet.dts -= 3 * packet.duration
                target.mux(packet)
    assert len(packets(path)) == 17
    assert probe(path).frames == 14
    assert np.array_equal(decode(path), decode(mp4)[3:])
    with pytest.raises(VideoError, match="no frame 14: expected 0 to 13"):
        decode(path, [14])


def test_a_damaged_frame_is_refused_and_those_before_it_are_not(mp4, tmp_path):
    """All packets exist, and the decoder conceals the damage with earlier frames."""
    at, length = packets(mp4)[5]
    data = bytearray(mp4.read_bytes())
    data[at + 40 : at + 80] = bytes(40)
    assert length > 80
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    assert probe(path).frames == 17
    for wanted in ([5], [0, 6], None):
        with pytest.raises(VideoError, match="5 complete frames, expected 17"):
            decode(path, wanted)
    assert np.array_equal(decode(path, [4, 0]), decode(mp4, [4, 0]))


@pytest.mark.parametrize(("last", "decoded"), [(17, 10), (7, 0)])
def test_packets_without_a_frame_are_detected(mp4, tmp_path, last, decoded):
    """Without the first key frame, packets before the next one, the eighth, cannot be decoded."""
    path = tmp_path / "keyless.mp4"
    with av.open(str(mp4)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in [packet for packet in source.demux(video=0) if packet.size][1:last]:
            packet.stream = stream
            target.mux(packet)
    assert probe(path).frames == last - 1
    with pytest.raises(VideoError, match=f" {decoded} complete frames, expected {last - 1} from"):
        decode(path)


@pytest.mark.parametrize("side", [0, 16_385])
@pytest.mark.parametrize("place", [0, 1])
def test_a_frame_of_an_absurd_size_is_refused(side, place):
    class Stream:
        class codec_context:
            height = width = 16_384

    class Container:
        class streams:
            video = (Stream,)

    assert video_stream(Path("x.mp4"), Container) is Stream
    setattr(Stream.codec_context, ("height", "width")[place], side)
    with pytest.raises(VideoError, match=r"x\.mp4 has frames of \d+x\d+ pixels, expected 1 to 16384 per side"):
        video_stream(Path("x.mp4"), Container)
    Stream.codec_context = None
    with pytest.raises(VideoError, match=r"x\.mp4: no decoder is installed for its codec; encode it as H\.264"):
        video_stream(Path("x.mp4"), Container)


def test_a_cut_lossless_file_is_refused(frames, tmp_path):
    path = tmp_path / "wave.mkv"
    encode(path, frames, fps=8, codec="ffv1")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match="truncated"):
        decode(path)


@pytest.mark.field
@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.999])
def test_published_videos_cut_short_are_refused(published, tmp_path, share):
    data = published.read_bytes()  # its index lies behind the frames
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match="truncated"):
        decode(path)


@pytest.mark.field
def test_published_videos_overwritten_in_the_middle_are_refused(published, tmp_path):
    data = bytearray(published.read_bytes())
    data[40_000:60_000] = bytes(20_000)
    path = tmp_path / "garbled.mp4"
    path.write_bytes(data)
    assert probe(path).frames == 49  # the packets are all there
    with pytest.raises(VideoError, match=str(path)):
        decode(path)


def test_a_result_above_the_limit_is_refused(mp4, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_BYTES", 3 * 64 * 96 * 3)
    assert decode(mp4, [0, 1, 2]).shape == (3, 64, 96, 3)
    with pytest.raises(VideoError, match="4 frames of 64x96 take 73728 bytes"):
        decode(mp4, [0, 1, 2, 3])


def test_a_video_that_changes_size_is_refused(tmp_path, frames):
    parts = []
    for name, part in (("a.h264", frames), ("b.h264", frames[:, :32, :48])):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.height, stream.width = part.shape[1:3]
            for rgb in part:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
            container.mux(stream.encode(None))
        parts.append((tmp_path / name).read_bytes())
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    with pytest.raises(VideoError, match="32x48 pixels, expected 64x96"):
        decode(path)
