"""The fit of projected silhouettes to pictures: how well they agree at their place, and by which shift they would agree best.

A static camera's picture changes where hands and objects come or go, and has edges at their outlines.  A template says where both are expected: its
positive weights are at pixels that a part enters or leaves between two frames and at outlines, its negative ones around these.  Evidence is what the
picture has there: change and edges, each from 0 to 1.  Their product is a difference of means, which needs no scale of its own: 0 if the silhouettes
are anywhere, and the more the better they are at their place.  Since the same sum at every shift is a correlation, the best shift is found at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from scipy.optimize import linear_sum_assignment

from hoibench.clip import Array
from hoibench.datasets.surfaces import BACKGROUND

_NEIGHBOURS = 2
"""Each frame is compared with this many later ones."""
_FULL_CHANGE = 40.0
_FULL_EDGE = 200.0
"""Grey levels from which a change, or the response of Sobel's filter, counts as a full one: strong ones must not outweigh all others."""
_BLUR = 0.7


@dataclass(frozen=True)
class Fit:
    """The fit of silhouettes to the pictures of a camera.

    Attributes:
        agreement: agreement at the place where the calibration puts the silhouettes; 0 is that of a place by chance, 2 the largest.
        best: the largest agreement at any shift, at least ``agreement``.
        shift: (x, y) in pixels, the shift of ``best``.
    """

    agreement: float
    best: float
    shift: tuple[int, int]


def frame_pairs(frames: int) -> list[tuple[int, int]]:
    """Return the pairs of frames, by index, between which change is compared: each frame with the next two."""
    return [(i, j) for i in range(frames) for j in range(i + 1, min(i + 1 + _NEIGHBOURS, frames))]


def build_templates(labels: Array, ring: int) -> Array:
    """Return the templates (M, H, W) float32 of silhouettes, for the M planes of ``build_evidence``: pairs of frames, then frames.

    Args:
        labels: (T, H, W) uint8 index of the part (a hand or an object) at each pixel, or ``BACKGROUND``.
        ring: width in pixels of the surroundings.
    """
    covered = labels != BACKGROUND
    crossed = np.stack([covered[i] ^ covered[j] for i, j in frame_pairs(len(labels))])
    either = np.stack([covered[i] | covered[j] for i, j in frame_pairs(len(labels))])
    outline = np.stack([_outline(label) for label in labels])
    near = np.stack([_dilate(plane, 1) for plane in outline])
    return np.concatenate([_normalise(crossed, either, ring), _normalise(outline, near, ring)])


def mask_templates(masks: Array, ring: int) -> Array:
    """Return the templates (T, H, W) float32 of masks (T, H, W) bool whose evidence are masks too: inside against the surroundings."""
    return _normalise(masks, masks, ring)


def build_evidence(frames: Array) -> Array:
    """Return the evidence (M, H, W) float32, from 0 to 1, in frames (T, H, W, 3) uint8: changes between pairs of frames, and edges of frames."""
    smooth = [cv2.GaussianBlur(frame.astype(np.float32), (0, 0), _BLUR) for frame in frames]
    planes = [np.abs(smooth[i] - smooth[j]).max(axis=-1) / _FULL_CHANGE for i, j in frame_pairs(len(frames))]
    for frame in smooth:
        slopes = [np.abs(cv2.Sobel(frame, -1, *order)).max(axis=-1) for order in ((1, 0), (0, 1))]
        # An outline between two pixels has an edge at either of them.
        planes.append(cv2.dilate(np.hypot(*slopes), np.ones((2, 2), np.uint8)) / _FULL_EDGE)
    evidence: Array = np.minimum(np.stack(planes), 1.0).astype(np.float32)
    return evidence


def fit_templates(templates: Array, evidence: Array, radius: int) -> Fit:
    """Return the fit of templates to evidence, both (M, H, W), among all shifts of up to ``radius`` pixels along each axis."""
    window = _window(templates, radius)
    surface = _agreement_by_shift(templates[:, *window], evidence[:, *window], radius)
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    return Fit(float(surface[radius, radius]), float(surface.max()), (int(column) - radius, int(row) - radius))


def agreement_matrix(templates: Array, evidence: Array) -> Array:
    """Return (C, V) the agreement of the templates (C, M, H, W) of every camera with the evidence (V, M, H, W) of every video, without a shift."""
    matrix: Array = templates.reshape(len(templates), -1) @ evidence.reshape(len(evidence), -1).T
    return matrix


def find_exchanged(matrix: Array, gain: float, least: float) -> list[tuple[int, int]]:
    """Return the pairs (camera, video) of another assignment of videos to cameras that agrees better, for each camera, by at least ``gain``.

    The assignment is the one of the largest sum.  It consists of cameras that keep their own videos, and of cycles, e.g. two cameras whose videos
    were exchanged; a cycle counts only if every camera in it fits the other video better by ``gain``, and by ``least`` at all.

    Args:
        matrix: (V, V) from ``agreement_matrix``, of cameras and their own videos in the same order.
        gain: least difference of the agreements with the other and with the own video.
        least: least agreement with the other video.
    """
    video = linear_sum_assignment(-matrix)[1].tolist()
    found = []
    left = set(range(len(video)))
    while left:
        cycle = [left.pop()]
        while video[cycle[-1]] != cycle[0]:
            cycle.append(video[cycle[-1]])
            left.remove(cycle[-1])
        if len(cycle) > 1 and all(matrix[c, video[c]] >= max(matrix[c, c] + gain, least) for c in cycle):
            found += [(c, video[c]) for c in cycle]
    return sorted(found)


def _outline(label: Array) -> Array:
    """Return (H, W) bool, true at pixels whose right or lower neighbour has another label."""
    outline = np.zeros(label.shape, dtype=bool)
    outline[:, :-1] |= label[:, :-1] != label[:, 1:]
    outline[:-1] |= label[:-1] != label[1:]
    return outline


def _dilate(plane: Array, radius: int) -> Array:
    square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    return cv2.dilate(plane.astype(np.uint8), square).astype(bool)


def _normalise(inside: Array, excluded: Array, ring: int) -> Array:
    """Return weights (M, H, W) float32: positive ones, of sum 1, ``inside``; negative ones, of sum -1, within ``ring`` pixels of ``excluded``.

    In each plane, both have the same sum, so that a constant agrees with nothing.
    """
    weights = np.zeros(inside.shape, dtype=np.float32)
    for plane, weight, core in zip(inside, weights, excluded, strict=True):
        around = _dilate(core, ring) & ~core
        if plane.any() and around.any():
            weight[plane] = 1.0
            weight[around] = -float(plane.sum()) / float(around.sum())
    total = float(weights[weights > 0.0].sum())
    return weights / total if total > 0.0 else weights


def _window(templates: Array, radius: int) -> tuple[slice, slice]:
    """Return the rows and columns of all weights of the templates and of ``radius`` pixels around; beyond, no shift needs the evidence."""
    used = (templates != 0.0).any(axis=0)
    slices = []
    for axis, length in ((1, used.shape[0]), (0, used.shape[1])):
        places = np.flatnonzero(used.any(axis=axis))
        first, last = (places[0], places[-1]) if places.size else (0, length - 1)
        slices.append(slice(max(int(first) - radius, 0), min(int(last) + radius + 1, length)))
    return slices[0], slices[1]


def _agreement_by_shift(templates: Array, evidence: Array, radius: int) -> Array:
    """Return the sum of the templates' products with the evidence, (2 r + 1, 2 r + 1), by the templates' shift along y and x from -r to r."""
    shape = [scipy.fft.next_fast_len(length + 2 * radius, real=True) for length in templates.shape[1:]]
    spectrum = np.zeros((shape[0], shape[1] // 2 + 1), dtype=np.complex64)
    for template, plane in zip(templates, evidence, strict=True):
        spectrum += scipy.fft.rfft2(template, shape).conj() * scipy.fft.rfft2(plane, shape)
    shifts = np.arange(-radius, radius + 1)
    surface: Array = scipy.fft.irfft2(spectrum, shape)[np.ix_(shifts % shape[0], shifts % shape[1])]
    return surface
