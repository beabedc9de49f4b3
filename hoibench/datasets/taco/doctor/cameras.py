"""Calibration of the fixed cameras, and where hands and objects land in their images."""

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
"""Frames of a sequence whose projection is looked at."""


def check_cameras(context: DiagnosticContext) -> Iterator[Check]:
    """The checks of this module: calibration of all sequences, projection of the sampled ones."""
    yield _calibrations(context)
    yield _projection(context)


def _calibrations(context: DiagnosticContext) -> Check:
    found = Findings()
    keys = sorted(context.listing.there[CAMERAS])
    for key in context.each("calibrations", keys):
        sequence = context.listing.sequences[key]
        with found.catch(sequence.calibration):
            known = read_calibration(sequence.calibration)
            for serial in sorted(_filmed(context, key) - known.keys()):
                found.add(
                    sequence.calibration, f"has no camera {serial}, which filmed", fix=f"unpack {CAMERAS}.zip again"
                )
    return found.check(
        "calibration",
        "calibrations are missing, broken or of another resolution",
        "all calibrations read, and know the cameras that filmed",
        f"unpack {CAMERAS}.zip of the same copy as the videos",
        looked_at=len(keys),
    )


def _filmed(context: DiagnosticContext, key: str) -> set[str]:
    """Serials whose video of a sequence is there, of either kind."""
    kinds = (context.listing.cameras[kind] for kind in (RGB, MARKER_REMOVED))
    return {serial for cameras in kinds for serial, keys in cameras.items() if key in keys}


def _projection(context: DiagnosticContext) -> Check:
    found = Findings()
    looked_at = 0
    for sequence in context.each("projection", context.sampled):
        try:
            # The proxy hand is near enough to MANO's to tell whether a hand is in a picture.
            recording = Recording(TacoDownload(context.root), sequence, ProxyHand())
            cameras = {serial: c.camera(c.size) for serial, c in recording.calibrations.items()}
            surfaces = recording.surfaces_in(_some_frames(recording))
        except (ValueError, OSError):
            continue  # told by the checks of calibration, poses, hands and meshes
        looked_at += 1
        with found.catch(f"sequence {sequence.key}"):
            check_parts_in_view(sequence.key, surfaces, cameras.values())
        filmed = _filmed(context, sequence.key)
        for serial, camera in cameras.items():
            if serial in filmed or not filmed & cameras.keys():
                with found.catch(f"sequence {sequence.key}"):
                    extents = (Extent.of(vertices, camera) for s in surfaces for vertices in s.vertices)
                    crop_box(extents, "clip", camera.size, f"{serial} of sequence {sequence.key}")
    return found.check(
        "projection",
        "hands or objects do not land in the images",
        "hands and objects land in the images",
        f"calibration, poses and hands are not of one world frame: unpack {CAMERAS}.zip, {POSES}.zip and {HANDS}.zip again; "
        "if it stays, leave these sequences or cameras out",
        looked_at=looked_at,
    )


def _some_frames(recording: Recording) -> list[int]:
    """Some frames of a recording, evenly apart."""
    frames: list[int] = np.unique(np.linspace(0, recording.frames - 1, _FRAMES).astype(int)).tolist()
    return frames
