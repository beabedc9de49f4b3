"""A picture of one sequence: a frame of every camera with the outlines of hands and objects as calibration and poses project them."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.surfaces import BACKGROUND, map_frames
from hoibench.datasets.taco.checks import CheckedSequence, Finding
from hoibench.datasets.taco.silhouettes.compare import CameraFit, VideoComparison
from hoibench.datasets.taco.silhouettes.labels import LabelRenderer
from hoibench.geometry import crop_intrinsics, resize_intrinsics
from hoibench.store import write_bytes
from hoibench.store.atomic import as_write_error
from hoibench.video import Box, decode_crop, decode_keyframes, probe, read_keyframes

_TILE = (360, 480)
_LINE = 22
"""Height of a line of text in pixels."""
_MARGIN = 0.6
"""Share of the silhouettes' extent that is added on each side, so that a displaced hand is still in the picture."""
_COLOURS = ((0, 255, 255), (255, 0, 255), (255, 225, 0), (60, 255, 60))
"""Outlines of the left hand, the right hand, tool and target."""
_GOOD, _BAD, _UNCLEAR, _TEXT = (60, 200, 60), (255, 60, 60), (150, 150, 150), (235, 235, 235)


def write_overlay(checked: CheckedSequence, findings: tuple[Finding, ...], folder: Path) -> None:
    """Write ``folder``/KEY.jpg, the picture of a checked sequence with its cameras' scores and findings; nothing for one without readable videos.

    Raises:
        WriteError: the file cannot be written.
        OSError, ValueError: a frame of a video cannot be read.
    """
    if checked.comparison is None or not checked.comparison.readable:
        return
    ok, data = cv2.imencode(".jpg", draw_overlay(checked, findings)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert ok
    with as_write_error(folder):
        write_bytes(folder / f"{checked.recording.sequence.key}.jpg", data.tobytes())


def draw_overlay(checked: CheckedSequence, findings: tuple[Finding, ...]) -> Array:
    """Return the picture of a checked sequence with videos, (H, W, 3) uint8: a title, the findings, and a tile for each camera."""
    comparison = checked.comparison
    assert comparison is not None
    frame = comparison.frames[len(comparison.frames) // 2]
    fits = {fit.serial: fit for fit in comparison.fits}
    tiles = [_tile(comparison, serial, frame, fits.get(serial)) for serial in comparison.readable]
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    grid = np.concatenate([np.concatenate(tiles[n : n + columns], axis=1) for n in range(0, len(tiles), columns)])
    tool, action, target = checked.recording.sequence.triplet
    legend = ", ".join(
        f"{part} {name}" for part, name in zip(PARTS, ("cyan", "magenta", "yellow", "green"), strict=True)
    )
    title = f"{checked.recording.sequence.key} ({action}, {tool}, {target}), frame {frame}. {legend}"
    lines = [_text_line(title, grid.shape[1], _TEXT)]
    lines += [_text_line(f"{finding.severity}: {finding.problem}", grid.shape[1], _BAD) for finding in findings]
    return np.concatenate([*lines, grid])


def _tile(comparison: VideoComparison, serial: str, frame: int, fit: CameraFit | None) -> Array:
    """Return a camera's tile: its frame around the silhouettes with their outlines, in a coloured border, above a line with the fit."""
    path = comparison.videos[serial]
    info = probe(path)
    camera = comparison.recording.camera(serial, (info.height, info.width))
    box = _box(comparison.labels(serial), camera.size)
    picture = _decode(path, frame, box)
    colour, text = _verdict(serial, fit, dict(comparison.exchanged).get(serial))
    _draw_outlines(picture, comparison, _crop(camera, box), frame)
    if fit is not None and fit.is_displaced:
        pixel = comparison.pixels[serial] * comparison.size[1] / info.width  # metres in a pixel of the video
        _draw_shift(picture, np.array(fit.shift) / pixel * _TILE[1] / box[3])
    cv2.rectangle(picture, (0, 0), (_TILE[1] - 1, _TILE[0] - 1), colour, 3)
    return np.concatenate([picture, _text_line(text, _TILE[1], colour)])


def _verdict(serial: str, fit: CameraFit | None, other: str | None) -> tuple[tuple[int, int, int], str]:
    if fit is None:
        return _UNCLEAR, f"{serial}  sees no hand or object"
    own_masks = "" if fit.iou is None else f", IoU {fit.iou:.2f}"
    text = f"{serial}  fit {fit.agreement:.2f} of {fit.best:.2f}, best {100 * fit.offset:.1f} cm away{own_masks}"
    if other is not None:
        return _BAD, f"{text}: shows {other}"
    return (_BAD if fit.is_displaced else _GOOD if fit.is_clear else _UNCLEAR), text


def _box(labels: Array, size: tuple[int, int]) -> Box:
    """Return the box (top, left, height, width) of the tile's aspect around the silhouettes, in pixels of a video of ``size`` (H, W).

    Args:
        labels: (T, h, w) part at each pixel of small pictures.
        size: (H, W) of the video.
    """
    covered = (labels != BACKGROUND).any(axis=0)
    if not covered.any():
        return 0, 0, *size
    scale = size[1] / covered.shape[1]
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    height, width = ((ends[-1] + 1 - ends[0]) * scale * (1.0 + 2.0 * _MARGIN) for ends in (rows, columns))
    aspect = _TILE[1] / _TILE[0]
    height = min(max(height, width / aspect), size[0], size[1] / aspect)
    width = height * aspect
    middle = [(ends[0] + ends[-1] + 1) / 2 * scale for ends in (rows, columns)]
    top, left = (
        round(min(max(centre - length / 2, 0), limit - length))
        for centre, length, limit in zip(middle, (height, width), size, strict=True)
    )
    return top, left, min(round(height), size[0] - top), min(round(width), size[1] - left)


def _crop(camera: Camera, box: Box) -> Camera:
    return Camera(resize_intrinsics(crop_intrinsics(camera.K, *box[:2]), box[2:], _TILE), camera.R, camera.t, _TILE)


def _decode(path: Path, frame: int, box: Box) -> Array:
    """Return one frame (H, W, 3) of a video, cropped to the box, as large as a tile."""
    if frame in read_keyframes(path):
        numbers, pictures = decode_keyframes(path, [frame], _TILE, box)
        if numbers == (frame,):
            return np.ascontiguousarray(pictures[0])
    picture: Array = decode_crop(path, [frame], box, _TILE)[0]
    return picture


def _draw_outlines(picture: Array, comparison: VideoComparison, camera: Camera, frame: int) -> None:
    """Draw the outline of each part into the picture, in its colour on a dark line."""
    (rendered,) = map_frames(comparison.recording.surfaces_in([frame]), [LabelRenderer(camera)])
    for part, colour in enumerate(_COLOURS):
        mask = (rendered[0, 0] == part).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, (0, 0, 0), 4)
        cv2.drawContours(picture, contours, -1, colour, 2)


def _draw_shift(picture: Array, shift: Array) -> None:
    """Draw an arrow of ``shift`` (x, y) pixels, by which the silhouettes would fit best, from the middle of the picture."""
    start = np.array(_TILE[::-1]) // 2
    end = np.rint(start + shift).astype(int)
    for colour, width in (((0, 0, 0), 7), (_BAD, 3)):
        cv2.arrowedLine(picture, start.tolist(), end.tolist(), colour, width, cv2.LINE_AA, tipLength=0.3)


def _text_line(text: str, width: int, colour: tuple[int, int, int]) -> Array:
    """Return a dark line (22, width, 3) with text, which is made narrower if it is too long."""
    line = np.full((_LINE, width, 3), 24, dtype=np.uint8)
    scale = 0.5
    (length, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, (width - 12) / length)
    cv2.putText(line, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
    return line
