"""Flat images with a colour per part and a background brightness per frame, which survive encoding."""

from pathlib import Path

import av
import numpy as np

from hoibench.datasets.surfaces import BACKGROUND
from hoibench.video import encode

COLOURS = np.array([[230, 40, 40], [40, 210, 60], [50, 70, 235], [235, 220, 40]])
"""Left hand, right hand, tool, target."""
PERIOD = 16
"""Period of the background brightness, in frames."""
_DARKEST, _STEP = 24, 12
_REMOVED_BLUE = 50  # what blue has more than red and green in a marker-removed video


def paint(part, frame, removed=False):
    """The picture (H, W, 3) uint8 of part ids (H, W)."""
    grey = _DARKEST + _STEP * (frame % PERIOD)
    background = np.array([grey, grey, min(255, grey + _REMOVED_BLUE * removed)])
    colours = np.concatenate([COLOURS, background[None]]).astype(np.uint8)
    return colours.take(np.minimum(part, len(COLOURS)), axis=0)


def part_of(pixels):
    """The part ids (...) that pixels (..., 3) show; sure only where a pixel's neighbours show the same."""
    pixels = np.asarray(pixels, dtype=int)
    nearest = np.abs(pixels[..., None, :] - COLOURS).sum(axis=-1).argmin(axis=-1)
    return np.where(np.ptp(pixels, axis=-1) > 100, nearest, BACKGROUND).astype(np.uint8)


def frame_code(picture):
    """Return ``frame % PERIOD`` of an image (H, W, 3)."""
    return round((_background(picture)[:2].mean() - _DARKEST) / _STEP) % PERIOD


def is_removed(picture):
    """Return True for an image of a marker-removed video."""
    red, _, blue = _background(picture)
    return bool(blue - red > _REMOVED_BLUE / 2)


def _background(picture):
    pixels = np.asarray(picture, dtype=float)
    return np.median(pixels[part_of(picture) == BACKGROUND], axis=0)


def write_video(path: Path, frames, fps, codec="h264"):
    """An mp4 of frames (N, H, W, 3) uint8: ``h264`` as the benchmark writes it, or ``mpeg4`` as TACO's are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # the file may have other names
    if codec == "h264":
        encode(path, frames, fps)
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=round(fps))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 50_000_000
        stream.codec_context.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p", threads=1)))
        container.mux(stream.encode(None))
