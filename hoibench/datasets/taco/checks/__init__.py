"""Checks of one recorded sequence against itself; the doctor, ``hoibench data prepare`` and runs on a download hold the same ones."""

from hoibench.datasets.taco.checks.frame_times import FRAME_TIMES
from hoibench.datasets.taco.checks.handedness import HANDEDNESS
from hoibench.datasets.taco.checks.in_view import IN_VIEW
from hoibench.datasets.taco.checks.mesh_fit import MESH_FIT
from hoibench.datasets.taco.checks.places import PLACES, ROLES
from hoibench.datasets.taco.checks.sequence_check import (
    CheckedSequence,
    Finding,
    SequenceCheck,
    find_all,
    raise_refusals,
)
from hoibench.datasets.taco.checks.timing import TIMING
from hoibench.datasets.taco.checks.video_fit import VIDEO_FIT

ANNOTATION_CHECKS: tuple[SequenceCheck, ...] = (PLACES, HANDEDNESS, MESH_FIT, ROLES, TIMING)
"""Checks of hands, objects and meshes alone; preparation runs them once per sequence."""
CAMERA_CHECKS: tuple[SequenceCheck, ...] = (IN_VIEW, FRAME_TIMES)
"""Checks of single cameras and their videos; preparation runs them for each set of cameras that it adds."""
COMPARISON_CHECKS: tuple[SequenceCheck, ...] = (VIDEO_FIT,)
"""Checks of videos against hands, objects and each other; preparation runs them once per sequence, on all of its videos."""

__all__ = [
    "ANNOTATION_CHECKS",
    "CAMERA_CHECKS",
    "COMPARISON_CHECKS",
    "CheckedSequence",
    "Finding",
    "SequenceCheck",
    "find_all",
    "raise_refusals",
]
