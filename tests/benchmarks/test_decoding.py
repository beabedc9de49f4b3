"""Decoding compared with the ffmpeg program on the same file, 49 frames of 480x704."""

import shutil
import subprocess

import numpy as np
import pytest

from hoibench.video import decode, encode


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (60, 88, 3), np.uint8).repeat(9, 0).repeat(9, 1)
    frames = np.stack([texture[i : i + 480, i : i + 704] for i in range(49)])
    path = tmp_path_factory.mktemp("bench") / "clip.mp4"
    encode(path, frames, fps=8)
    return path


def with_ffmpeg(path):
    command = [shutil.which("ffmpeg"), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(49, 480, 704, 3)


@pytest.mark.benchmark(group="decoding")
def test_hoibench(benchmark, clip):
    assert benchmark(decode, clip).shape == (49, 480, 704, 3)


@pytest.mark.benchmark(group="decoding")
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg(benchmark, clip):
    assert np.abs(benchmark(with_ffmpeg, clip).astype(int) - decode(clip)).max() <= 1
