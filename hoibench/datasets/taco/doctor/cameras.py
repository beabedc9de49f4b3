"""Checks of the fixed cameras' calibration."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.calibration import read_calibration
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import CAMERAS, MARKER_REMOVED, RGB


def check_cameras(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the check of cameras: the calibrations of all sequences."""
    found = Findings()
    keys = sorted(context.listing.keys[CAMERAS])
    for key in context.iterate("calibrations", keys):
        sequence = context.listing.sequences[key]
        with found.catch(sequence.calibration):
            cameras = read_calibration(sequence.calibration)
            for serial in sorted(_filmed(context, key) - cameras.keys()):
                found.add(
                    sequence.calibration,
                    f"has no camera {serial}, which has a video",
                    fix=f"unpack {CAMERAS}.zip again",
                )
    yield found.to_check(
        "calibration",
        "calibrations are missing, damaged or of another resolution",
        "all calibrations are valid and contain all cameras with videos",
        f"unpack {CAMERAS}.zip of the same copy as the videos",
        checked=len(keys),
    )


def _filmed(context: DiagnosticContext, key: str) -> set[str]:
    """Return the serials of the cameras with a video, raw or marker-removed, of the sequence with this key."""
    kinds = (context.listing.cameras[kind] for kind in (RGB, MARKER_REMOVED))
    return {serial for cameras in kinds for serial, keys in cameras.items() if key in keys}
