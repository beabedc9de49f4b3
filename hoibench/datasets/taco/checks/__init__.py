"""Checks of one recorded sequence against itself; the doctor, ``hoibench data prepare`` and runs on a download hold the same ones."""

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
VIDEO_CHECKS: tuple[SequenceCheck, ...] = (IN_VIEW, VIDEO_FIT)
"""Checks of cameras and videos against hands and objects; preparation runs them for each set of cameras that it adds."""

__all__ = [
    "ANNOTATION_CHECKS",
    "VIDEO_CHECKS",
    "CheckedSequence",
    "Finding",
    "SequenceCheck",
    "find_all",
    "raise_refusals",
]
