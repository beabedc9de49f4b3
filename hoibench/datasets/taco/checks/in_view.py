"""Checks that hands and objects project into the images of the cameras."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.crop import Extent, crop_box
from hoibench.datasets.taco.download import CAMERAS, HANDS, POSES
from hoibench.datasets.taco.visibility import check_parts_in_view
from hoibench.problems import Problem


def find_out_of_view(checked: CheckedSequence) -> Iterator[Finding]:
    """Refuse a sequence if no calibrated camera sees one of its parts, or if a camera with a video (without videos, any camera) sees none."""
    cameras = {serial: c.camera(c.size) for serial, c in checked.recording.calibrations.items()}
    surfaces = checked.surfaces
    try:
        check_parts_in_view(checked.recording.sequence.key, surfaces, cameras.values())
    except ValueError as error:
        yield Finding("refuse", Problem.from_text(str(error)))
    for serial in checked.videos or cameras:
        camera = cameras[serial]
        extents = (Extent.from_surface(s, frame, camera) for s in surfaces for frame in range(len(s.vertices)))
        try:
            crop_box(extents, "clip", camera.size, f"{serial} of {checked.name}")
        except ValueError as error:
            yield Finding("refuse", Problem.from_text(str(error)), serial)


IN_VIEW = SequenceCheck(
    "projection",
    "hands or objects project outside the images",
    "hands and objects project into the images",
    f"calibration, poses and hands have different world frames: unpack {CAMERAS}.zip, {POSES}.zip and {HANDS}.zip again; "
    "if the problem remains, exclude these sequences or cameras",
    find_out_of_view,
)
