"""Comparison of the videos of one sequence with the silhouettes of its hands and objects: displaced silhouettes, and exchanged videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import BACKGROUND, map_frames
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.silhouettes.fit import (
    agreement_matrix,
    build_evidence,
    build_templates,
    find_exchanged,
    fit_templates,
    mask_templates,
)
from hoibench.datasets.taco.silhouettes.labels import LabelRenderer
from hoibench.datasets.taco.silhouettes.segmentation import (
    SegmentationMasks,
    read_segmentation,
    segmentation_file,
)
from hoibench.video import decode_crop, decode_keyframes, probe, read_keyframes

T = TypeVar("T")

FRAMES = 8
"""Number of frames of a sequence that are compared."""
_FEWEST = 4
"""Least number of keyframes that suffice."""
_FIRST = 61
"""Without keyframes, frames are taken from the first two seconds, since all frames up to the last one have to be decoded."""
WIDTH = 256
"""Largest width in pixels of the pictures that are compared; a pixel spans 3 mm for a tele camera of TACO, 11 mm for a wide one."""
CLEAR = 0.4
"""Least agreement at the best place for a fit to say anything: hands and objects are in the picture, and move or stand out."""
DISPLACED = 0.02
"""Metres between the calibrated and the best place from which silhouettes are displaced."""
_WORSE = 0.85
"""Largest agreement of displaced silhouettes at their calibrated place, as a share of the best."""
_CONSISTENT = 0.7
"""Least share of the displacements in the images that one displacement in the world must explain."""
_GAIN = 0.15
"""Least gain in agreement of every camera of an exchange."""
_SEARCH = 0.12
_RING = 0.035
"""Metres around the silhouettes, at their depth: the largest shift, and the surroundings with which they are compared."""
_MOST_PIXELS = 64


@dataclass(frozen=True)
class CameraFit:
    """The fit of a camera's silhouettes to its video, or to the data set's own masks of it.

    Attributes:
        serial: the camera.
        agreement: agreement at the calibrated place, see ``Fit``.
        best: agreement at the best place within 12 cm.
        shift: (x, y) from the calibrated to the best place in the image, in metres at the depth of hands and objects.
        iou: intersection over union of silhouettes and masks at the calibrated place; None without masks.
    """

    serial: str
    agreement: float
    best: float
    shift: tuple[float, float]
    iou: float | None = None

    @property
    def offset(self) -> float:
        """The distance from the calibrated to the best place, in metres at the depth of hands and objects."""
        return float(np.hypot(*self.shift))

    @property
    def is_clear(self) -> bool:
        """True if some place fits well enough to say that the video shows the silhouettes there."""
        return self.best >= CLEAR

    @property
    def is_displaced(self) -> bool:
        """True if the silhouettes clearly fit better at a place 2 cm or more away from the calibrated one."""
        return self.is_clear and self.offset >= DISPLACED and self.agreement <= _WORSE * self.best


@dataclass(frozen=True, eq=False)
class VideoComparison:
    """The comparison of a recording with its videos.

    Attributes:
        recording: hands, objects and calibration.
        videos: camera serial -> path of its video, of calibrated cameras; at least one.  Those that cannot be read are left out.
    """

    recording: Recording
    videos: Mapping[str, Path]

    @property
    def frames(self) -> tuple[int, ...]:
        """The numbers of up to 8 evenly spaced frames: of keyframes that all videos have if there are four, else of the first two seconds."""
        return self._decoded[0]

    @property
    def readable(self) -> tuple[str, ...]:
        """Serials of the cameras whose videos could be read."""
        return tuple(self._decoded[1])

    @property
    def unreadable(self) -> dict[str, str]:
        """Serial -> why the video of this camera, which is missing or damaged, cannot be read."""
        return self._decoded[2]

    @cached_property
    def size(self) -> tuple[int, int]:
        """(H, W) of the pictures that are compared."""
        height, width = self.recording.calibrations[next(iter(self.videos))].size
        columns = min(WIDTH, width)
        return round(height * columns / width), columns

    @cached_property
    def cameras(self) -> dict[str, Camera]:
        """Serial -> camera of these pictures."""
        return {serial: self.recording.camera(serial, self.size) for serial in self.videos}

    @cached_property
    def fits(self) -> tuple[CameraFit, ...]:
        """The fit of every camera that sees hands or objects: to the data set's own masks if it has them, else to the video."""
        return tuple(self._fit(serial, pixel) for serial, pixel in self.pixels.items())

    @cached_property
    def exchanged(self) -> tuple[tuple[str, str], ...]:
        """Pairs of serials (camera, camera whose video it fits) of all cameras whose silhouettes certainly fit another one's video, in cycles."""
        serials = list(self.pixels)
        if len(serials) < 2:
            return ()
        matrix = agreement_matrix(
            np.stack([self._templates[serial] for serial in serials]),
            np.stack([self._evidence[serial] for serial in serials]),
        )
        return tuple((serials[c], serials[v]) for c, v in find_exchanged(matrix, _GAIN, CLEAR))

    @cached_property
    def displacement(self) -> float | None:
        """Metres by which all of hands and objects are displaced in the world, if the clear fits of three cameras or more agree on it; else None."""
        clear = [fit for fit in self.fits if fit.is_clear]
        return find_displacement(clear, [self.cameras[fit.serial] for fit in clear])

    def labels(self, serial: str) -> Array:
        """Return (T, H, W) the part at each pixel of a camera's small pictures, or ``BACKGROUND``."""
        return self._rendered[serial][:, 0]

    @property
    def unreadable_masks(self) -> tuple[str, ...]:
        """The errors of the data set's own masks that cannot be read; the videos are compared instead."""
        return tuple(masks for masks in self._masks.values() if isinstance(masks, str))

    @cached_property
    def _masks(self) -> dict[str, SegmentationMasks | str]:
        """Serial -> the data set's own masks of its video, or the error of reading them; only of cameras that have some."""
        found: dict[str, SegmentationMasks | str] = {}
        for serial in self.videos:
            path = segmentation_file(self.recording.sequence, serial)
            if path.is_file():
                try:
                    found[serial] = read_segmentation(path, self.recording.frames, FRAMES, self.size)
                except ValueError as error:
                    found[serial] = str(error)
        return found

    @cached_property
    def _decoded(self) -> tuple[tuple[int, ...], dict[str, Array], dict[str, str]]:
        """The frames' numbers; serial -> these frames (T, H, W, 3) uint8 of its video; serial -> error of a video that cannot be read."""
        keyframes, errors = _read_each(self.videos, read_keyframes)
        intact = {serial: self.videos[serial] for serial in keyframes}
        shared = set.intersection(*map(set, keyframes.values())) if keyframes else set()
        if len(shared) >= _FEWEST:
            places = _spread(sorted(shared))
            decoded, damaged = _read_each(intact, lambda path: decode_keyframes(path, places, self.size))
            numbers = {frames for frames, _ in decoded.values()}
            if len(numbers) == 1 and max(next(iter(numbers))) < self.recording.frames:
                return numbers.pop(), {serial: pictures for serial, (_, pictures) in decoded.items()}, errors | damaged
        frames = _spread(range(min(self.recording.frames, _FIRST)))
        pictures, damaged = _read_each(intact, lambda path: self._decode(path, frames))
        return frames, pictures, errors | damaged

    def _decode(self, path: Path, frames: Sequence[int]) -> Array:
        info = probe(path)
        return decode_crop(path, frames, (0, 0, info.height, info.width), self.size)

    @cached_property
    def _rendered(self) -> dict[str, Array]:
        return self._render(self.readable, self.frames)

    def _render(self, serials: Sequence[str], frames: Sequence[int]) -> dict[str, Array]:
        """Return serial -> (T, 2, H, W) float32 part and depth at each pixel, see ``LabelRenderer``."""
        renderers = [LabelRenderer(self.cameras[serial]) for serial in serials]
        return dict(zip(serials, map_frames(self.recording.surfaces_in(frames), renderers), strict=True))

    @cached_property
    def pixels(self) -> dict[str, float]:
        """Serial -> metres that a pixel spans at the median depth of hands and objects, of the cameras that see any."""
        depths = {serial: rendered[:, 1][np.isfinite(rendered[:, 1])] for serial, rendered in self._rendered.items()}
        return {s: float(np.median(seen) / self.cameras[s].K[0, 0]) for s, seen in depths.items() if seen.size}

    @cached_property
    def _templates(self) -> dict[str, Array]:
        labels = {serial: self._rendered[serial][:, 0].astype(np.uint8) for serial in self.pixels}
        return {serial: build_templates(labels[serial], _to_pixels(_RING, m)) for serial, m in self.pixels.items()}

    @cached_property
    def _evidence(self) -> dict[str, Array]:
        return {serial: build_evidence(pictures) for serial, pictures in self._decoded[1].items()}

    def _fit(self, serial: str, pixel: float) -> CameraFit:
        stored, iou = self._masks.get(serial), None
        if isinstance(stored, SegmentationMasks):
            covered = self._render([serial], stored.frames)[serial][:, 0] != BACKGROUND
            templates, evidence = mask_templates(covered, _to_pixels(_RING, pixel)), stored.masks.astype(np.float32)
            iou = float((covered & stored.masks).sum() / max((covered | stored.masks).sum(), 1))
        else:
            templates, evidence = self._templates[serial], self._evidence[serial]
        fit = fit_templates(templates, evidence, _to_pixels(_SEARCH, pixel))
        return CameraFit(serial, fit.agreement, fit.best, (fit.shift[0] * pixel, fit.shift[1] * pixel), iou)


def find_displacement(fits: Sequence[CameraFit], cameras: Sequence[Camera]) -> float | None:
    """Return the length in metres of the displacement in the world that explains the shifts in the images of three cameras or more.

    None if there are fewer, or if no displacement explains 70 % of the shifts' squares: then each camera's shift is its own.
    """
    if len(fits) < 3:
        return None
    axes = np.concatenate([camera.R[:2] for camera in cameras])
    shifts = np.concatenate([fit.shift for fit in fits])
    displacement = np.linalg.lstsq(axes, shifts, rcond=None)[0]
    total, left = float((shifts**2).sum()), float(((shifts - axes @ displacement) ** 2).sum())
    return float(np.linalg.norm(displacement)) if total > 0.0 and left <= (1.0 - _CONSISTENT) * total else None


def _read_each(videos: Mapping[str, Path], read: Callable[[Path], T]) -> tuple[dict[str, T], dict[str, str]]:
    """Return serial -> what ``read`` returns for each video, and serial -> error of those that are missing or damaged."""
    values: dict[str, T] = {}
    errors = {}
    for serial, path in videos.items():
        try:
            values[serial] = read(path)
        except (ValueError, OSError) as error:
            errors[serial] = str(error)
    return values, errors


def _spread(numbers: Sequence[int]) -> tuple[int, ...]:
    """Return up to 8 evenly spaced ones of these numbers, the first and the last included."""
    return tuple(numbers[i] for i in np.unique(np.linspace(0, len(numbers) - 1, FRAMES).astype(int)))


def _to_pixels(metres: float, pixel: float) -> int:
    return min(max(round(metres / pixel), 3), _MOST_PIXELS)
