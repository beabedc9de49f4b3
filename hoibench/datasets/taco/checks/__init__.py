"""Checks of one recorded sequence against itself; the doctor, ``hoibench data prepare`` and runs on a download hold the same ones."""

from hoibench.datasets.taco.checks.in_view import IN_VIEW
from hoibench.datasets.taco.checks.sequence_check import (
    CheckedSequence,
    Finding,
    SequenceCheck,
    check_sequence,
    find_all,
)
from hoibench.datasets.taco.checks.video_fit import VIDEO_FIT

ANNOTATION_CHECKS: tuple[SequenceCheck, ...] = ()
"""Checks of hands, objects and meshes alone; preparation runs them once per sequence."""
VIDEO_CHECKS: tuple[SequenceCheck, ...] = (IN_VIEW, VIDEO_FIT)
"""Checks of cameras and videos against hands and objects; preparation runs them for each set of cameras that it adds."""

__all__ = [
    "ANNOTATION_CHECKS",
    "VIDEO_CHECKS",
    "CheckedSequence",
    "Finding",
    "SequenceCheck",
    "check_sequence",
    "find_all",
]
