"""Checks that objects are where the hands are, and that the tool is the object that moves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.checks.contact import REACH, measure_contacts, travel
from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import OBJECT_ROLES, POSES
from hoibench.problems import Problem

_STEP = 6
"""Frames between the poses of which paths are summed up, so that noise adds little."""
_RATIO, _PATH = 3.0, 0.15
"""The target's path is suspicious if it is this many times the tool's, and this many metres long."""


def find_far_objects(checked: CheckedSequence) -> Iterator[Finding]:
    """Refuse a sequence in which no hand comes near an object in any frame: its poses are of another world frame or recording, or inverted."""
    far = [contact.is_beyond(reach) for contact, reach in zip(checked.contacts, REACH, strict=True)]
    if not any(far):
        return
    inverted = measure_contacts(checked.recording, checked.contact_frames, _invert(checked.recording.object_poses))
    are_inverted = not any(contact.is_beyond(reach) for contact, reach in zip(inverted, REACH, strict=True))
    for role, contact, is_far in zip(OBJECT_ROLES, checked.contacts, far, strict=True):
        if is_far:
            _, path = checked.recording.sequence.find_object_pose(role)
            found = f"places the {role} {100 * float(np.nanmin(contact.gap)):.0f} cm from the nearest hand or farther, in all frames"
            why = (
                "the poses are from world to object"
                if are_inverted
                else "the poses are of another recording or world frame"
            )
            yield Finding("refuse", Problem(str(path), "", f"{found}: {why}", "", ""))


def find_exchanged_objects(checked: CheckedSequence) -> Iterator[Finding]:
    """Warn if the target moves much more than the tool; refuse if hands also fit the objects with their poses exchanged, and not as they are.

    Exchanged, the tool must be known to fit, since it moves; a target that rests then says nothing.
    """
    recording = checked.recording
    tool, target = (
        float(travel(vertices, poses, _STEP).sum())
        for (vertices, _), poses in zip(recording.meshes, recording.object_poses, strict=True)
    )
    if target < max(_PATH, _RATIO * tool):
        return
    tolerance = checked.contact_tolerance
    of_tool, of_target = measure_contacts(recording, checked.contact_frames, recording.object_poses[::-1])
    fits_exchanged = of_tool.fits(tolerance) and not of_target.is_wrong(tolerance)
    certain = fits_exchanged and any(contact.is_wrong(tolerance) for contact in checked.contacts)
    folder = recording.sequence.folder(POSES)
    found = f"moves the target by {target:.2f} m and the tool by {tool:.2f} m: their poses may be exchanged"
    if certain:
        found = f"{found.partition(':')[0]}, and hands fit them only with their poses exchanged"
    yield Finding("refuse" if certain else "warn", Problem(str(folder), "", found, "", ""))


def _invert(poses: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the inverses of rigid poses (N, 4, 4); NaN where they are NaN."""
    inverted = []
    for of_object in poses:
        R = of_object[:, :3, :3].mT
        inverse = of_object.copy()
        inverse[:, :3, :3], inverse[:, :3, 3] = R, -(R @ of_object[:, :3, 3, None])[..., 0]
        inverted.append(inverse)
    return tuple(inverted)


PLACES = SequenceCheck(
    "places",
    "objects are far from the hands in all frames",
    "hands come near their objects",
    f"the poses are wrong: unpack {POSES}.zip again; if the problem remains, exclude these sequences",
    find_far_objects,
)
ROLES = SequenceCheck(
    "roles",
    "targets move much more than tools: their poses may be exchanged",
    "tools move, and targets do not move much more than they",
    f"unpack {POSES}.zip again; if the problem remains and the tool is not what the target should be, exclude these sequences",
    find_exchanged_objects,
)
