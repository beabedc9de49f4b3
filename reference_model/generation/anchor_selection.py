"""Selection of the points to track (their anchors, pixels in frame 0) for requests that give none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.generation.farthest_points import sample_farthest_points


def select_anchors(first_frames: Tensor, count: int, darkest: float, seed: int) -> NDArray[np.float32]:
    """Select the points to track: pixels spread evenly over the foreground of each view, where the motion pseudo-video is not black.

    Args:
        first_frames: (V, H, W, 3) in [0, 1], frame 0 of each view's motion pseudo-video.
        count: anchors per view; a view with fewer foreground pixels gets all of them.
        darkest: least value of a point's colours (``PseudoVideoConfig.darkest``).
        seed: seed of the farthest-point selection.

    Returns:
        (V, count, 2) pixels (u, v); NaN after a view's last anchor.

    Raises:
        ValueError: no view has a foreground pixel.
    """
    selected = [
        _select(torch.nonzero(_foreground(frame, darkest)).cpu().numpy(), count, seed) for frame in first_frames
    ]
    if not any(map(len, selected)):
        raise ValueError("the sampled motion has no point in frame 0 of any view: train longer, or give anchors")
    pixels = np.full((len(selected), count, 2), np.nan, np.float32)
    for view, rows in zip(pixels, selected, strict=True):
        view[: len(rows)] = rows[:, 1::-1]
    return pixels


def _foreground(frame: Tensor, darkest: float) -> Tensor:
    """Return which pixels of a frame (H, W, 3) are nearer to a point's colours, [darkest, 1] in each channel, than to black: (H, W) bool."""
    return frame.square().sum(dim=-1) > (darkest - frame).clamp(min=0).square().sum(dim=-1)


def _select(places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.float64]:
    """Return min(P, count) of P pixels (row, column), chosen by farthest-point sampling, as (row, column, 0)."""
    flat = np.pad(places.astype(np.float64), ((0, 0), (0, 1)))
    return sample_farthest_points([flat], [min(count, len(flat))], seed)[0] if len(flat) else flat
