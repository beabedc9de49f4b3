"""psnr, ssim: the likeness of a video to the true video, shown for reference, since a right video need not equal the true one.

Formula:    psnr = min(60, 10 log10(255² / MSE)), MSE = mean of (P - X)² over pixels and over R, G, B
            ssim = mean over pixels and over R, G, B of (2 m_P m_X + C1) (2 s_PX + C2) / ((m_P² + m_X² + C1) (s_P² + s_X² + C2))
            m, s²: mean, variance and covariance of P and X in a Gaussian window around the pixel, standard deviation 1.5 px, 11 x 11 px;
            C1 = (.01 * 255)², C2 = (.03 * 255)²
Pixels:     P predicted, X true, 0 to 255.  All pixels of frames 1 to N-1 of all views are one set, so that MSE is pooled and PSNRs are not averaged.
            Frame 0 is left out, since image-to-video methods are given it.  ssim leaves out pixels whose window reaches beyond the frame.
Regions:    full frame; fg: pixels inside the true masks, never the method's own, which would choose the pixels that count.  Windows of ssim
            also weigh only the pixels inside the mask.  Frames without foreground add no pixels.
Undefined:  no pixel counts: the clip has one frame, or the true masks are empty after frame 0.
Card:       cards/video.toml
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from hoibench.clip import Array, check_mask, check_pixels
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Measurement, NotApplicable, Undefined

PEAK = 255.0
MAX_DECIBELS = 60.0
"""The value of equal videos, and of those with a smaller MSE than 0.065."""
WINDOW_SIGMA = 1.5
WINDOW_RADIUS = 5
"""Pixels from the centre of an 11 x 11 window to its border."""
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
NO_PIXEL = "no pixel counts: the clip has one frame only, or the region is empty in all frames after frame 0"

ScorePixels = Callable[[Array, Array, Array], Array]
"""Gives the scores (P,) of the pixels that count, from a frame and a true frame (H, W, 3) uint8 and a mask (H, W) bool."""


def psnr(video: Array, truth: Array, masks: Array | None = None) -> float:
    """Return the peak signal-to-noise ratio of a video to the true video in dB, at most 60; frame 0 is left out.

    Args:
        video: (V, N, H, W, 3) uint8.
        truth: (V, N, H, W, 3) uint8.
        masks: (V, N, H, W) bool, the pixels that count; None means all.

    Raises:
        ValueError: shapes or dtypes differ from these.
        Undefined: there is one frame only, or ``masks`` are empty in all others.

    >>> truth = np.full((1, 3, 16, 16, 3), 100, np.uint8)
    >>> round(psnr(truth + np.uint8(10), truth), 2), psnr(truth, truth)
    (28.13, 60.0)
    """
    return _decibels(_mean(*_pool(video, truth, masks, _squared_errors)))


def ssim(video: Array, truth: Array, masks: Array | None = None) -> float:
    """Return the mean structural similarity of a video to the true video, -1 to 1, no unit; frame 0 is left out.

    Args:
        video: (V, N, H, W, 3) uint8, H and W at least 11.
        truth: (V, N, H, W, 3) uint8.
        masks: (V, N, H, W) bool, the pixels that count, in the mean and within each window; None means all.

    Raises:
        ValueError: shapes or dtypes differ from these.
        NotApplicable: a side has fewer than 11 pixels.
        Undefined: there is one frame only, or no pixel of ``masks`` in the others has its whole window inside the frame.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity (2004).

    >>> truth = np.random.default_rng(0).integers(0, 256, (1, 2, 16, 16, 3), dtype=np.uint8)
    >>> round(ssim(truth, truth), 6), bool(ssim(255 - truth, truth) < 0)
    (1.0, True)
    """
    return _mean(*_pool(video, truth, masks, _similarities))


def measure_psnr(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of psnr@1 (dB; higher is better; 0 to 60): one per view, then the clip's."""
    return _measure(case, _squared_errors, _decibels)


def measure_ssim(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of ssim@1 (no unit; higher is better; -1 to 1): one per view, then the clip's."""
    return _measure(case, _similarities, float)


def _measure(case: Case, score_pixels: ScorePixels, to_value: Callable[[float], float]) -> Iterator[Measurement]:
    truth = case.clip.video
    if truth is None:
        raise NotApplicable(MISSING_INPUT["truth.video"])
    for region, masks in (("full", None), ("fg", case.clip.masks)):
        if region == "fg" and masks is None:
            return
        totals, counts = _pool(case.video, truth, masks, score_pixels)
        for view, total, count in zip(case.clip.views, totals, counts, strict=True):
            yield Measurement(**_mean_or_reason(total, count, to_value), region=region, view=view.id)
        yield Measurement(**_mean_or_reason(totals, counts, to_value), region=region)


def _pool(video: Array, truth: Array, masks: Array | None, score_pixels: ScorePixels) -> tuple[Array, Array]:
    """Return the sum of the scores of the pixels that count, and their number, of each view and frame but the first: (V, N-1) each."""
    check_pixels("video", video, ("V", "N", "H", "W", 3))
    check_pixels("truth", truth, video.shape)
    if masks is not None:
        check_mask("masks", masks, video.shape[:4])
    everywhere = np.ones(video.shape[2:4], dtype=bool)
    totals, counts = np.zeros((2, video.shape[0], max(video.shape[1] - 1, 0)))
    for v, n in np.ndindex(totals.shape):
        scores = score_pixels(video[v, n + 1], truth[v, n + 1], everywhere if masks is None else masks[v, n + 1])
        totals[v, n], counts[v, n] = scores.sum(), len(scores)
    return totals, counts


def _mean(totals: Array, counts: Array) -> float:
    if not counts.any():
        raise Undefined(NO_PIXEL)
    return float(totals.sum() / counts.sum())


def _mean_or_reason(totals: Array, counts: Array, to_value: Callable[[float], float]) -> dict[str, Any]:
    """Return fields of ``Measurement``: the value of the mean over pixels, or why there is none, and the numbers of frames."""
    frames = {"n_scored": np.count_nonzero(counts), "n_expected": counts.size}
    if not counts.any():
        return {"value": None, "status": "undefined", "reason": NO_PIXEL, **frames}
    return {"value": to_value(_mean(totals, counts)), **frames}


def _decibels(error: float) -> float:
    """Return 10 log10(255² / error), at most 60, for a mean squared error."""
    return MAX_DECIBELS if error == 0.0 else min(MAX_DECIBELS, 10.0 * math.log10(PEAK**2 / error))


def _squared_errors(frame: Array, truth: Array, mask: Array) -> Array:
    """Return the squared error of each pixel of the mask, (P,): the mean over R, G and B."""
    red, green, blue = np.moveaxis(np.square(frame.astype(np.int32) - truth), -1, 0)
    errors: Array = ((red + green + blue) / 3)[mask]  # NumPy's mean is slow along a short axis
    return errors


def _similarities(frame: Array, truth: Array, mask: Array) -> Array:
    """Return the structural similarity in the window around each pixel of the mask, (P,): the mean over R, G and B.

    P counts the pixels whose whole window is inside the frame.
    """
    height, width = mask.shape
    side = 2 * WINDOW_RADIUS + 1
    if min(height, width) < side:
        raise NotApplicable(
            f"frames of {height}x{width} pixels are too small for SSIM, which needs {side} on each side"
        )
    inner = (slice(WINDOW_RADIUS, -WINDOW_RADIUS),) * 2
    if not mask[inner].any():
        return np.zeros(0)
    rows, columns = (np.flatnonzero(mask[inner].any(axis=axis)) for axis in (1, 0))
    # The windows of the pixels that count, in their bounding box.
    box = slice(rows[0], rows[-1] + side), slice(columns[0], columns[-1] + side)
    counted = mask[box][inner]
    weight = mask[box].astype(np.float64)

    def window_sum(image: Array) -> Array:
        blurred: Array = cv2.GaussianBlur(image, (side, side), WINDOW_SIGMA)
        return blurred[inner]

    total = np.where(counted, window_sum(weight), 1.0)

    def similarity(p: Array, x: Array) -> Array:
        p, x = p * weight, x * weight
        mean_p, mean_x, mean_px, mean_squares = (window_sum(a) / total for a in (p, x, p * x, p * p + x * x))
        product, squares = mean_p * mean_x, mean_p**2 + mean_x**2
        luminance = (2 * product + C1) / (squares + C1)
        values: Array = luminance * (2 * (mean_px - product) + C2) / (mean_squares - squares + C2)
        return values[counted]

    mean: Array = np.mean([similarity(frame[box][..., c], truth[box][..., c]) for c in range(3)], axis=0)
    return mean
