"""Calibration of the fixed cameras, and where hands and objects land in their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hoibench.clip import PARTS, Array
from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.layout import CAMERAS, HANDS, MARKER_REMOVED, POSES, RGB, Sequence, Tree
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.visibility import in_image

_FRAMES = 8
"""Frames of a sequence whose projection is looked at."""
_LEAST_SEEN = 0.5
"""Share of a part's vertices that some camera must have in its image."""


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
                found.add(f"{sequence.calibration} has no camera {serial}, which filmed: unpack {CAMERAS}.zip again")
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
            recording = Recording(Tree(context.root), sequence, ProxyHand())
            cameras = recording.calibrations
            parts = _parts(recording)
        except (ValueError, OSError):
            continue  # told by the checks of calibration, poses, hands and meshes
        looked_at += 1
        filmed = _filmed(context, sequence.key)
        judged = {serial: camera for serial, camera in cameras.items() if serial in filmed} or cameras
        with found.catch(f"sequence {sequence.key}"):
            _judge(found, sequence, judged, parts)
    return found.check(
        "projection",
        "hands or objects do not land in the images",
        "hands and objects land in the images",
        f"calibration, poses and hands are not of one world frame: unpack {CAMERAS}.zip, {POSES}.zip and {HANDS}.zip again; "
        "if it stays, leave these sequences or cameras out",
        looked_at=looked_at,
    )


def _judge(found: Findings, sequence: Sequence, cameras: Mapping[str, Calibration], parts: Mapping[str, Array]) -> None:
    inside = {
        serial: {part: in_image(points, c.camera(c.size)) for part, points in parts.items()}
        for serial, c in cameras.items()
    }
    for serial, by_part in inside.items():
        if not any(mask.any() for mask in by_part.values()):
            found.add(f"sequence {sequence.key}: camera {serial} sees nothing of {', '.join(parts)}")
    for part in parts:
        seen = float(np.any([by_part[part] for by_part in inside.values()], axis=0).mean())
        if seen < _LEAST_SEEN:
            found.add(f"sequence {sequence.key}: {seen:.0%} of the {part} lie in the image of any camera")


def _parts(recording: Recording) -> dict[str, Array]:
    """Part -> its recorded vertices (M, 3) in some frames, evenly apart; without parts that were recorded in none of them."""
    frames = np.unique(np.linspace(0, recording.frames - 1, _FRAMES).astype(int)).tolist()
    parts = {}
    for surface in recording.surfaces_in(frames):
        points = surface.vertices.reshape(-1, 3)
        recorded: Array = points[np.isfinite(points[:, 0])]
        if len(recorded):
            parts[PARTS[surface.part]] = recorded
    return parts
