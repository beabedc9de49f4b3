"""Which points to track where the request names none: they are chosen in frame 0 of a motion that MJD samples without the points aligner."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hoibench.metrics.farthest_points import sample_farthest_points


def own_anchors(first_frames: Tensor, count: int, darkest: float, seed: int) -> NDArray[np.float32]:
    """Pixels spread evenly over each view's foreground.

    Args:
        first_frames: (V, H, W, 3) in [0, 1], frame 0 of each view's motion pseudo-video.
        count: K, how many to choose in a view; all where there are fewer.
        darkest: as drawn.
        seed: of the choice.

    Returns:
        (V, K, 2) pixels, NaN after a view's last one.

    Raises:
        ValueError: no view has any.
    """
    chosen = [_choose(torch.nonzero(_foreground(frame, darkest)).cpu().numpy(), count, seed) for frame in first_frames]
    most = max(map(len, chosen))
    if not most:
        raise ValueError(
            "the motion that was sampled shows no point in frame 0 of any view: train longer, or give anchors"
        )
    pixels = np.full((len(chosen), most, 2), np.nan, np.float32)
    for view, rows in zip(pixels, chosen, strict=True):
        view[: len(rows)] = rows[:, 1::-1]
    return pixels


def _foreground(frame: Tensor, darkest: float) -> Tensor:
    """The pixels that are nearer to a point's colours, [darkest, 1] in each channel, than to black; (H, W, 3) -> (H, W) bool."""
    return frame.square().sum(dim=-1) > (darkest - frame).clamp(min=0).square().sum(dim=-1)


def _choose(places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.float64]:
    """(P, 2) rows and columns -> (min(P, count), 3), the last of them zero."""
    flat = np.pad(places.astype(np.float64), ((0, 0), (0, 1)))
    return sample_farthest_points([flat], [min(count, len(flat))], seed)[0] if len(flat) else flat
