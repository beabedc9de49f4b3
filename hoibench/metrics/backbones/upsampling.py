"""Images as the input of a network that needs more pixels than small videos have, and points back in pixels of the original images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hoibench.clip import Array

SHORT_SIDE = 512


def upsampling(size: tuple[int, int]) -> float:
    """Return the factor by which images of (H, W) are upsampled: 2 if the short side is under 512 px, else 1."""
    return 2.0 if min(size) < SHORT_SIDE else 1.0


def to_batch(images: Sequence[Array], device: str) -> torch.Tensor:
    """Return (H, W, 3) uint8 images of one size as a batch in 0 to 1, (B, 3, H', W') float32, upsampled bilinearly by ``upsampling``."""
    pixels = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255.0
    scale = upsampling((pixels.shape[2], pixels.shape[3]))
    if scale == 1.0:
        return pixels
    return torch.nn.functional.interpolate(pixels, scale_factor=scale, mode="bilinear", align_corners=False)


def to_original(points: Array, size: tuple[int, int]) -> Array:
    """Return points of the upsampled image, (n, 2) x and y, in pixels of the original of (H, W).

    The upsampled grid shares the image's edges, not its pixel centres.
    """
    scale = np.float32(upsampling(size))
    original: Array = (points + np.float32(0.5)) / scale - np.float32(0.5)
    return original


def to_upsampled(points: Array, size: tuple[int, int]) -> Array:
    """Return points of the original image of (H, W), (n, 2) x and y, in pixels of the upsampled one: the inverse of ``to_original``."""
    scale = np.float32(upsampling(size))
    upsampled: Array = (points + np.float32(0.5)) * scale - np.float32(0.5)
    return upsampled
