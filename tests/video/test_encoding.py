"""Encoding preserves geometry and colour, is reproducible, and leaves no partial files."""

import av
import numpy as np
import pytest

from hoibench.video import decode, encode, probe

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (127, 127, 127),
    (200, 100, 50),
    (30, 60, 90),
]


@pytest.fixture(scope="module")
def patches():
    columns = np.repeat(np.array(COLOURS, np.uint8), 24, axis=0)
    return np.broadcast_to(columns, (9, 64, 192, 3)).copy()


def test_colours_survive_h264(tmp_path, patches):
    encode(tmp_path / "patches.mp4", patches, fps=8)
    video = decode(tmp_path / "patches.mp4")
    for i, colour in enumerate(COLOURS):
        inside = video[:, :, 24 * i + 6 : 24 * i + 18].astype(int)
        assert np.abs(inside - colour).max() <= 3, colour


def test_h264_is_tagged_and_has_no_reordering(tmp_path, patches):
    encode(tmp_path / "patches.mp4", patches, fps=8)
    with av.open(str(tmp_path / "patches.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert all(packet.pts == packet.dts for packet in packets)
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * 7 + [True]


def test_the_index_of_an_mp4_comes_first(mp4):
    data = mp4.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_quality_is_near_lossless_and_follows_crf(tmp_path, frames):
    errors = []
    for crf in (12, 40):
        encode(tmp_path / "wave.mp4", frames, fps=8, crf=crf)
        errors.append(np.square(decode(tmp_path / "wave.mp4").astype(float) - frames).mean())
    assert 10 * np.log10(255**2 / errors[0]) > 36
    assert errors[1] > 2 * errors[0]


def test_ffv1_loses_nothing(tmp_path, frames):
    odd = frames[:, :63, :95]
    encode(tmp_path / "wave.mkv", odd, fps=29.97, codec="ffv1")
    assert np.array_equal(decode(tmp_path / "wave.mkv"), odd)
    assert probe(tmp_path / "wave.mkv").fps == pytest.approx(29.97, rel=1e-4)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mkv", "h264"), ("a.mkv", "ffv1")])
def test_equal_frames_give_equal_bytes(tmp_path, frames, name, codec):
    encode(tmp_path / "one" / name, frames, fps=8, codec=codec)
    encode(tmp_path / "two" / name, frames, fps=8, codec=codec)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("fps", [1, 7.5, 8, 24000 / 1001, 30])
def test_the_frame_rate_is_kept(tmp_path, frames, fps):
    encode(tmp_path / "wave.mp4", frames, fps=fps)
    assert probe(tmp_path / "wave.mp4").fps == pytest.approx(fps, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((2, 63, 96, 3), np.uint8)}, "even height and width, found 63x96; crop to 62x96"),
        ({"frames": np.zeros((0, 64, 96, 3), np.uint8)}, "0 frames"),
        ({"frames": np.zeros((2, 64, 96), np.uint8)}, r"shape \(2, 64, 96\)"),
        ({"frames": np.zeros((2, 64, 96, 3), np.float32)}, "dtype float32, expected uint8"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": 1e9}, "fps is 1000000000.0, expected a number above 0"),
        ({"crf": 52}, "crf is 52"),
        ({"codec": "ffv1"}, r"ffv1 needs a \.mkv"),
        ({"codec": "vp9"}, "'vp9' is not supported"),
    ],
)
def test_invalid_arguments_are_refused(tmp_path, frames, change, message):
    arguments = {"frames": frames, "fps": 8, **change}
    with pytest.raises(ValueError, match=message):
        encode(tmp_path / "bad.mp4", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, frames, monkeypatch):
    path = tmp_path / "wave.mp4"
    encode(path, frames, fps=8)
    old = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hoibench.store.atomic.sync", fail)
    with pytest.raises(OSError, match="No space left"):
        encode(path, frames[::-1], fps=8)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
