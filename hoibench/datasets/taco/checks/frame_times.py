"""A check that the frames of videos are shown at even times."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import RGB
from hoibench.datasets.taco.recording import LARGEST_DRIFT
from hoibench.problems import Problem
from hoibench.video import read_video_header

_EVEN = 0.5
"""Largest distance in frames of a frame from its time at a constant rate up to which number and time of a frame name the same annotated row."""


def find_uneven_videos(checked: CheckedSequence) -> Iterator[Finding]:
    """Warn of each video of which a frame is over half a frame from its time at a constant rate, though not so far that its reader refuses it."""
    for serial, path in checked.videos.items():
        try:
            drift = read_video_header(path).unevenness
        except (ValueError, OSError):
            continue  # reported by the check of videos against silhouettes
        if _EVEN < drift <= LARGEST_DRIFT:
            found = f"has uneven frame times: a frame is {drift:.1f} frames from its time at a constant rate"
            yield Finding("warn", Problem(str(path), "", found, "", ""), serial)


FRAME_TIMES = SequenceCheck(
    "video-times",
    "frames of videos are not at even times: frames and annotation may not correspond",
    "frames of videos are at even times",
    f"look whether the last frames of the video show the last rows of the annotation; unpack the camera's zip of {RGB} again",
    find_uneven_videos,
)
