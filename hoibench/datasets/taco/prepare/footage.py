"""The videos that clips are made of: at TACO's rate, and of one size."""

from __future__ import annotations

from collections.abc import Mapping

from hoibench.datasets.taco.prepare.prepared_facts import VideoFacts
from hoibench.datasets.taco.protocol import SOURCE_FPS
from hoibench.datasets.taco.recording import Recording

_RATE_TOLERANCE = 0.01  # what a container's time base makes of a rate


def video_facts(recording: Recording, serial: str, modality: str) -> VideoFacts:
    """What a camera's video is.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is broken, of another rate than TACO's, or does not fit the annotation or the calibration.
    """
    info = recording.video_info(serial, modality)
    path = recording.sequence.video(serial, modality)
    if abs(info.fps - SOURCE_FPS) > _RATE_TOLERANCE * SOURCE_FPS:
        raise ValueError(
            f"{path} has {info.fps:g} frames a second, TACO's videos have {SOURCE_FPS:g}: unpack {modality}/{serial}.zip again"
        )
    return VideoFacts(info.frames, (info.height, info.width), info.fps, path.stat().st_size)


def one_size(key: str, videos: Mapping[str, VideoFacts]) -> tuple[int, int]:
    """The (H, W) that all videos of a sequence, by their serials, have.

    Raises:
        ValueError: they differ; names each.
    """
    sizes = {video.size for video in videos.values()}
    if len(sizes) != 1:
        found = ", ".join(f"{serial} {video.size[1]}x{video.size[0]}" for serial, video in videos.items())
        raise ValueError(
            f"the videos of sequence {key} differ in size ({found}): unpack them again, of one copy of the data"
        )
    return sizes.pop()
