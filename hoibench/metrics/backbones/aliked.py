"""The aliked-mnn matcher: ALIKED-n16 (Zhao et al. 2023, arXiv:2304.03608) with the authors' weights, and mutual nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from kornia.feature import ALIKED

from hoibench.clip import Array
from hoibench.metrics.backbones.aliked_network import FastAliked
from hoibench.metrics.backbones.features import Features, describe_on, mutual_pairs
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.metrics.backbones.upsampling import to_batch, to_original
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, Magsac
from hoibench.weights import all_weights, find_weights
from hoibench.weights.loading import load_weights

WEIGHTS = "aliked-n16"
KEYPOINTS = 2048


@dataclass(frozen=True, eq=False)
class Aliked:
    """A ``Matcher`` on the 2048 strongest ALIKED-n16 points of each image: mutual nearest neighbours whose descriptors' L2 distance is under 0.9.

    Images with a short side under 512 px are upsampled by two, bilinearly; points are in pixels of the original image.
    """

    network: ALIKED
    device: str
    name: str = "aliked-mnn"
    max_distance: float = 0.9
    magsac: Magsac = DEFAULT_MAGSAC
    weights: Mapping[str, str] = field(default_factory=lambda: {WEIGHTS: all_weights()[WEIGHTS].sha256})

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images of one size and their descriptors."""
        return describe_on(self.device, self._describe, images)

    @torch.inference_mode()
    @full_float32()
    def _describe(self, images: Sequence[Array]) -> list[Features]:
        size = images[0].shape[0], images[0].shape[1]
        found = self.network(to_batch(images, self.device).contiguous(memory_format=torch.channels_last))
        return [
            Features(to_original(output.keypoints.cpu().numpy(), size), output.descriptors.cpu().numpy(), size)
            for output in found
        ]

    def match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        """Return the matches of each pair of images as pairs of point indices, (m, 2) int64, sorted by the first."""
        return [mutual_pairs(a.descriptors, b.descriptors, max_distance=self.max_distance) for a, b in pairs]


def load_aliked(device: str = "cpu", folder: Path | None = None) -> Aliked:
    """Load the ALIKED-n16 matcher on a torch device; its weights are searched in ``folder`` first.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: the file does not match its checksum.
    """
    return _load(find_weights(WEIGHTS, folder), device)


@lru_cache(maxsize=2)
def _load(path: Path, device: str) -> Aliked:
    network = FastAliked(WEIGHTS, max_num_keypoints=KEYPOINTS, detection_threshold=-1.0)
    load_weights(network, path, missing=["dkd.hw_grid"])  # kornia's own constant
    # Channels last: the network takes norms over channels, which are then contiguous (a third faster on a CPU).
    network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    return Aliked(network, device)
