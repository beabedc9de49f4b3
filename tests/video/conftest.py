"""Small videos and published ones."""

import numpy as np
import pytest

from hoibench.video import encode


def smooth_frames(n=17, height=64, width=96):
    """Return distinct frames without sharp edges."""
    y, x = np.mgrid[:height, :width]
    frames = [
        np.stack([(x * 2 + 9 * i) % 256, (y * 3 + 5 * i) % 256, np.full_like(x, 20 + 10 * i)], axis=-1)
        for i in range(n)
    ]
    wave = np.stack(frames).astype(np.float64) * (np.pi / 256)
    return (127.5 + 100 * np.sin(wave)).astype(np.uint8)


@pytest.fixture(scope="session")
def frames():
    return smooth_frames()


@pytest.fixture(scope="session")
def mp4(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("video") / "wave.mp4"
    encode(path, frames, fps=8)
    return path


@pytest.fixture(scope="session")
def published(field_data):
    return field_data / "published" / "das" / "case1" / "view-1.mp4"
