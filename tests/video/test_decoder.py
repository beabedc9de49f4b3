"""The choice of a decoder changes no frame, and a device that cannot be used is named."""

import av
import av.error
import numpy as np
import pytest

from hoibench.video import Decoder, decode_crop, encode
from hoibench.video import decoder as decoder_module
from hoibench.video.decoder import find_device_problem
from hoibench.video.decoding import _as_planes

BOX, SIZE = (3, 5, 60, 88), (30, 44)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("decoder") / "video.mp4"
    encode(path, np.random.default_rng(0).integers(0, 256, (9, 64, 96, 3), np.uint8), fps=8)
    return path


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_frame(path, threads):
    usual = decode_crop(path, [0, 8, 4], BOX, SIZE)
    np.testing.assert_array_equal(decode_crop(path, [0, 8, 4], BOX, SIZE, Decoder(threads)), usual)


def test_a_device_that_does_not_support_the_codec_decodes_in_software(path):
    device = next((name for name in decoder_module.hwdevices_available() if name != "cuda"), None)
    if device is None:
        pytest.skip("FFmpeg has no other device")
    found = decode_crop(path, [0, 8], BOX, SIZE, Decoder(1, device))
    np.testing.assert_array_equal(found, decode_crop(path, [0, 8], BOX, SIZE))


def test_interleaved_chroma_becomes_planes_of_the_same_values(path):
    with av.open(str(path)) as container:
        planar = next(container.decode(video=0))
    hardware = planar.reformat(format="nv12")
    assert hardware.format.name == "nv12"
    back = _as_planes(hardware)
    np.testing.assert_array_equal(back.to_ndarray(), planar.to_ndarray())
    assert (back.color_range, back.colorspace) == (planar.color_range, planar.colorspace)
    assert _as_planes(planar) is planar


def test_an_unknown_device_is_an_error():
    with pytest.raises(ValueError, match="device 'abacus' cannot decode videos: the installed FFmpeg has"):
        find_device_problem("abacus")


def test_a_device_that_cannot_be_opened_is_a_problem(monkeypatch):
    class NoDevice:
        def __init__(self, _name):
            pass

        def create(self, _codec):
            raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(decoder_module, "hwdevices_available", lambda: ["cuda"])
    monkeypatch.setattr(decoder_module, "HWAccel", NoDevice)
    assert find_device_problem("cuda") == "no cuda device can be opened (Operation not permitted)"


def test_a_device_without_the_codecs_is_a_problem(monkeypatch):
    class OtherCodecs:
        def __init__(self, _name):
            pass

        def create(self, codec):
            raise NotImplementedError(codec.name)

    monkeypatch.setattr(decoder_module, "hwdevices_available", lambda: ["drm"])
    monkeypatch.setattr(decoder_module, "HWAccel", OtherCodecs)
    assert find_device_problem("drm") == "drm decodes none of the codecs h264, hevc, mpeg4"
