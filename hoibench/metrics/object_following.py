"""object_following: the least share of its true motion that the tool or the target makes, 0 if one of them stands still.

Formula:    min_o sum m <dP, dX> / sum m <dX, dX> over all views, frames and points of the object o, as in ``motion_following``
Points:     as in ``motion_following``.
Counted:    objects that move 1 cm or more, by the RMS of dX; their points as in ``motion_following``.
Missing:    dP = 0, as if the point stood still.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.clip import PARTS
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.motion_following import follow, motion_in_world
from hoibench.rigid_object import OBJECT_PARTS

LEAST_MOTION = 1e-2
"""Metres: an object with a smaller RMS displacement is not asked to follow, since errors of its points would decide its share."""


def measure_object_following(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_following@1 (no unit; not ranked; unbounded): one per object, then the least of them, the clip's."""
    motion = align_motion(case)
    truth, (pred, world) = motion.truth, motion_in_world(motion)
    shares = {}
    for index in OBJECT_PARTS:
        shares[PARTS[index]] = follow(pred, world, truth.mask & (truth.part == index), LEAST_MOTION)
    for part, share in shares.items():
        yield motion.measurement_or_undefined(
            "it moves less than 1 cm, or is not visible" if share is None else share, part=part
        )
    moving = [share for share in shares.values() if share is not None]
    if not moving:
        raise Undefined("tool and target move less than 1 cm, or are not visible")
    yield motion.measurement(min(moving))
