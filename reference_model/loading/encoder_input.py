"""The check of a video before it is encoded, the same for every autoencoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROUNDING = 1e-5


def check_encoder_input(video: Tensor | NDArray[np.float32], stride: int, device: torch.device) -> Tensor:
    """Check a video (N, H, W, 3), and return it as float32 on a device; rounding errors beyond 0 or 1 are clipped.

    Args:
        video: the video, with values in [0, 1].
        stride: number of frames r_n that a latent frame after the first encodes.
        device: the autoencoder's device.

    Raises:
        ValueError: values are not in [0, 1], or the number of frames is not r_n (n - 1) + 1.
    """
    x = torch.as_tensor(video, device=device)
    if len(x) % stride != 1 % stride:  # the frames after the last complete group would be dropped
        raise ValueError(f"the video has {len(x)} frames: expected {stride} n + 1")
    inside = x.clamp(0, 1)
    if not (x.is_floating_point() and (x - inside).abs().max() <= _ROUNDING):
        low, high = x.aminmax()
        raise ValueError(
            f"the video has {x.dtype} values from {low:.6g} to {high:.6g}: expected floats in [0, 1] (8-bit ones divided by 255)"
        )
    return inside.float()
