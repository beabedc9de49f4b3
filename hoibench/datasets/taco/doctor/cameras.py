"""Checks of the fixed cameras' calibration, and of the projection of hands and objects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.datasets.taco.calibration import read_calibration
from hoibench.datasets.taco.crop import Extent, crop_box
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import CAMERAS, HANDS, MARKER_REMOVED, POSES, RGB, TacoDownload
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.visibility import check_parts_in_view

_FRAMES = 8
"""Number of frames of a sequence for the projection check."""


def check_cameras(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks of cameras: calibration of all sequences, and projection of hands and objects of the sampled ones."""
    yield _calibrations(context)
    yield _projection(context)


def _calibrations(context: DiagnosticContext) -> Check:
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
    return found.to_check(
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


def _projection(context: DiagnosticContext) -> Check:
    found = Findings()
    checked = 0
    for sequence in context.iterate("projection", context.sampled):
        try:
            # The proxy hand is similar enough to MANO's to check that a hand is in the image.
            recording = Recording(TacoDownload(context.root), sequence, ProxyHand())
            cameras = {serial: c.camera(c.size) for serial, c in recording.calibrations.items()}
            surfaces = recording.surfaces_in(_some_frames(recording))
        except (ValueError, OSError):
            continue  # reported by the checks of calibration, poses, hands and meshes
        checked += 1
        with found.catch(f"sequence {sequence.key}"):
            check_parts_in_view(sequence.key, surfaces, cameras.values())
        filmed = _filmed(context, sequence.key)
        for serial, camera in cameras.items():
            if serial in filmed or not filmed & cameras.keys():
                with found.catch(f"sequence {sequence.key}"):
                    extents = (Extent.from_vertices(vertices, camera) for s in surfaces for vertices in s.vertices)
                    crop_box(extents, "clip", camera.size, f"{serial} of sequence {sequence.key}")
    return found.to_check(
        "projection",
        "hands or objects project outside the images",
        "hands and objects project into the images",
        f"calibration, poses and hands have different world frames: unpack {CAMERAS}.zip, {POSES}.zip and {HANDS}.zip again; "
        "if the problem remains, exclude these sequences or cameras",
        checked=checked,
    )


def _some_frames(recording: Recording) -> list[int]:
    """Return the numbers of up to 8 evenly spaced frames of a recording, the first and the last included."""
    frames: list[int] = np.unique(np.linspace(0, recording.frames - 1, _FRAMES).astype(int)).tolist()
    return frames
