"""Videos of 8 bits as the models take them, floats in [0, 1], and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_WHITE = 255.0


def as_floats(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 in 0..255 as float32 in [0, 1]."""
    return frames.astype(np.float32) / np.float32(_WHITE)


def as_bytes(video: Tensor) -> Tensor:
    """A video in [0, 1] as uint8 on the CPU."""
    return (video * _WHITE).round().to("cpu", torch.uint8)
