"""Calibration of the fixed cameras, and where hands and objects land in their images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.doctor.download import ROLES, Download
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.hand_models import ProxyHand
from hoibench.datasets.taco.hands import SIDES, HandPose, read_hand
from hoibench.datasets.taco.layout import CAMERAS, HANDS, MARKER_REMOVED, RGB, Sequence, find_model
from hoibench.datasets.taco.objects import place, read_mesh, read_poses
from hoibench.geometry import project, to_camera

_FRAMES = 8
"""Frames of a sequence whose projection is looked at."""
_LEAST_SEEN = 0.5
"""Share of a part's vertices that some camera must have in its image."""


def check_cameras(download: Download) -> Iterator[Check]:
    """The checks of this module: calibration of all sequences, projection of the sampled ones."""
    yield _calibrations(download)
    yield _projection(download)


def _calibrations(download: Download) -> Check:
    found = Findings()
    keys = sorted(download.listing.there[CAMERAS])
    for key in download.each("calibrations", keys):
        sequence = download.listing.sequences[key]
        with found.catch(sequence.calibration):
            known = read_calibration(sequence.calibration)
            for serial in sorted(_filmed(download, key) - known.keys()):
                found.add(f"{sequence.calibration} has no camera {serial}, which filmed: unpack {CAMERAS}.zip again")
    return found.check(
        "calibration",
        "calibrations are missing, broken or of another resolution",
        "all calibrations read, and know the cameras that filmed",
        f"unpack {CAMERAS}.zip of the same copy as the videos",
        looked_at=len(keys),
    )


def _filmed(download: Download, key: str) -> set[str]:
    """Serials whose video of a sequence is there, of either kind."""
    kinds = (download.listing.cameras[kind] for kind in (RGB, MARKER_REMOVED))
    return {serial for cameras in kinds for serial, keys in cameras.items() if key in keys}


def _projection(download: Download) -> Check:
    found = Findings()
    looked_at = 0
    for sequence in download.each("projection", download.sampled):
        try:
            cameras = read_calibration(sequence.calibration)
            parts = _parts(download, sequence)
        except (ValueError, OSError):
            continue  # told by the checks of calibration, poses, hands and meshes
        looked_at += 1
        with found.catch(f"sequence {sequence.key}"):
            _judge(
                found,
                sequence,
                {s: c for s, c in cameras.items() if s in _filmed(download, sequence.key)} or cameras,
                parts,
            )
    return found.check(
        "projection",
        "hands or objects do not land in the images: calibration, poses or hands are of another world frame",
        "hands and objects land in the images",
        f"unpack {CAMERAS}.zip, Object_Poses.zip and Hand_Poses.zip again; if it stays, leave these sequences or cameras out",
        looked_at=looked_at,
    )


def _judge(found: Findings, sequence: Sequence, cameras: dict[str, Calibration], parts: dict[str, Array]) -> None:
    inside = {
        serial: {part: _in_image(points, c.camera(c.size)) for part, points in parts.items()}
        for serial, c in cameras.items()
    }
    for serial, by_part in inside.items():
        if not any(mask.any() for mask in by_part.values()):
            found.add(f"sequence {sequence.key}: camera {serial} sees nothing of {', '.join(parts)}")
    for part in parts:
        seen = float(np.any([by_part[part] for by_part in inside.values()], axis=0).mean())
        if seen < _LEAST_SEEN:
            found.add(f"sequence {sequence.key}: {seen:.0%} of the {part} lie in the image of any camera")


def _parts(download: Download, sequence: Sequence) -> dict[str, Array]:
    """Part -> its recorded vertices (M, 3) in some frames, evenly apart.

    The proxy hand is near enough to MANO's to tell whether a hand is in a picture.
    """
    points = {}
    for side in SIDES:
        hand = read_hand(sequence.folder(HANDS), side)
        chosen = _some(np.isfinite(hand.theta[:, 0]))
        few = HandPose(side, hand.theta[chosen], hand.trans[chosen], hand.betas)
        points[f"{side} hand"] = ProxyHand().surface(few)[0].reshape(-1, 3)
    for role in ROLES:
        object_id, path = sequence.object_pose(role)
        poses = read_poses(path)
        vertices, _ = read_mesh(find_model(download.root, object_id))
        points[role] = place(vertices, poses[_some(np.isfinite(poses[:, 0, 0]))]).reshape(-1, 3)
    return {part: points[part] for part in PARTS if len(points[part])}


def _some(recorded: Array) -> Array:
    """Indices of at most ``_FRAMES`` recorded rows, evenly apart."""
    rows: Array = np.flatnonzero(recorded)
    chosen: Array = rows[np.unique(np.linspace(0, len(rows) - 1, min(_FRAMES, len(rows))).astype(int))]
    return chosen


def _in_image(points: Array, camera: Camera) -> Array:
    """(M,) bool: whether world points (M, 3) lie in front of a camera and in its image."""
    in_camera = to_camera(points, camera.R, camera.t)
    front = in_camera[:, 2] > 0.0
    pixels = project(np.where(front[:, None], in_camera, 1.0), camera.K)
    height, width = camera.size
    inside: Array = front & (pixels >= -0.5).all(axis=1) & (pixels < [width - 0.5, height - 0.5]).all(axis=1)
    return inside
