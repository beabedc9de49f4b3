"""49 cropped frames out of 181 of 4096x3000, as in TACO, compared with the ffmpeg program on the same frames."""

import shutil
import subprocess

import numpy as np
import pytest

from hoibench.datasets.taco.protocol import SIZE, choose_window
from hoibench.video import decode_crop

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
CODECS = {"mpeg4": ["mpeg4", "-q:v", "3"], "h264": ["libx264", "-preset", "veryfast", "-crf", "20"]}
BOXES = {"half": (600, 800, 1500, 2200), "full": (104, 0, 2792, 4096)}
FRAMES = choose_window(181, 30.0).indices


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, codec in CODECS.items():
        source = ["-f", "lavfi", "-i", "testsrc2=size=4096x3000:rate=30", "-frames:v", "181", "-pix_fmt", "yuv420p"]
        subprocess.run(["ffmpeg", "-v", "error", *source, "-c:v", *codec, folder / f"{name}.mp4"], check=True)
    return folder


def with_ffmpeg(path, box):
    top, left, height, width = box
    chosen = "+".join(f"eq(n\\,{i})" for i in FRAMES)
    stages = f"select='{chosen}',crop={width}:{height}:{left}:{top},scale={SIZE[1]}:{SIZE[0]}:flags=bicubic"
    output = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    command = ["ffmpeg", "-v", "error", "-i", path, "-vf", stages, *output]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(49, *SIZE, 3)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("implementation", ["hoibench", "ffmpeg"])
def test_extract(benchmark, videos, implementation, codec, box):
    benchmark.group = f"{codec}, {box} picture"
    path, box = videos / f"{codec}.mp4", BOXES[box]
    arguments = (decode_crop, path, FRAMES, box, SIZE) if implementation == "hoibench" else (with_ffmpeg, path, box)
    assert benchmark(*arguments).shape == (49, *SIZE, 3)
