"""The matchers gim-lightglue and aliked-lightglue: points of another network, matched by LightGlue (Lindenberger et al. 2023, arXiv:2306.13643)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kornia.feature import LightGlue

from hoibench.clip import Array
from hoibench.metrics.backbones.aliked import WEIGHTS as ALIKED_WEIGHTS
from hoibench.metrics.backbones.aliked import load_aliked
from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.metrics.backbones.superpoint import load_superpoint
from hoibench.metrics.backbones.upsampling import to_upsampled, upsampling
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, GIM_MAGSAC, Magsac
from hoibench.weights import all_weights, find_weights, weights_sha256
from hoibench.weights.loading import load_weights

GIM_WEIGHTS = "gim-lightglue-100h"
ALIKED_LIGHTGLUE_WEIGHTS = "aliked-lightglue"


@dataclass(frozen=True, eq=False)
class LightGlueMatcher:
    """A ``Matcher`` whose points, those of a detector, are matched by LightGlue: filter threshold 0.1, no pruning of points, no early stop.

    Attributes:
        name, magsac, weights: as in ``Matcher``.
        detector: returns the points of images, as ``Matcher.describe``.
        to_input: returns an image's points as the network takes them, (n, 2) float32, and the (width, height) of their image.
        network: LightGlue in evaluation mode.
        device: torch device of the network.
    """

    name: str
    detector: Callable[[Sequence[Array]], list[Features]]
    to_input: Callable[[Features], tuple[Array, tuple[float, float]]]
    network: LightGlue
    device: str
    weights: Mapping[str, str]
    magsac: Magsac = DEFAULT_MAGSAC

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images of one size and their descriptors."""
        return self.detector(images)

    def match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        """Return the matches of each pair of images as pairs of point indices, (m, 2) int64, sorted by the first.

        Pairs with the same numbers of points are one batch, except on a CPU; the network has no mask for padded points.
        """
        found: dict[int, Array] = {}
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, (a, b) in enumerate(pairs):
            numbers = (len(a.points), len(b.points))
            groups.setdefault((*numbers, i) if self.device == "cpu" else numbers, []).append(i)
        for group in groups.values():
            found.update(zip(group, self._match([pairs[i] for i in group]), strict=True))
        return [found[i] for i in range(len(pairs))]

    @torch.inference_mode()
    @full_float32()
    def _match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        sides = {f"image{side}": self._batch([pair[side] for pair in pairs]) for side in (0, 1)}
        return [matches.cpu().numpy() for matches in self.network(sides)["matches"]]

    def _batch(self, features: Sequence[Features]) -> dict[str, torch.Tensor]:
        points, sizes = zip(*map(self.to_input, features), strict=True)
        return {
            "keypoints": torch.from_numpy(np.stack(points)).to(self.device),
            "descriptors": torch.from_numpy(np.stack([each.descriptors for each in features])).to(self.device),
            "image_size": torch.tensor(sizes, device=self.device),
        }


def load_gim_lightglue(device: str = "cpu", folder: Path | None = None) -> LightGlueMatcher:
    """Load GIM's SuperPoint and LightGlue (Shen et al. 2024) on a torch device; their file is searched in ``folder`` first.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: the file does not match its checksum.
    """
    return _load_gim(find_weights(GIM_WEIGHTS, folder), device)


def load_aliked_lightglue(device: str = "cpu", folder: Path | None = None) -> LightGlueMatcher:
    """Load ALIKED-n16 and the LightGlue trained on its points on a torch device; their weights are searched in ``folder`` first.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: a file does not match its checksum.
    """
    aliked = load_aliked(device, folder)
    network = load_network(find_weights(ALIKED_LIGHTGLUE_WEIGHTS, folder), device, 128)
    weights = {id: all_weights()[id].sha256 for id in (ALIKED_WEIGHTS, ALIKED_LIGHTGLUE_WEIGHTS)}
    return LightGlueMatcher("aliked-lightglue", aliked.describe, _as_upsampled, network, device, weights)


@lru_cache(maxsize=2)
def _load_gim(path: Path, device: str) -> LightGlueMatcher:
    detector = load_superpoint(path, "superpoint.", device)
    network = load_network(path, device, 256, "model.")
    weights = {GIM_WEIGHTS: weights_sha256(path)}
    return LightGlueMatcher(
        "gim-lightglue", detector.describe, _as_corners, network, device, weights, magsac=GIM_MAGSAC
    )


@lru_cache(maxsize=2)
def load_network(path: Path, device: str, descriptor: int, prefix: str = "") -> LightGlue:
    """Return kornia's LightGlue for descriptors of a length, with the tensors of a checkpoint whose names start with ``prefix``.

    Raises:
        ValueError: the file does not have exactly the network's tensors.
    """
    settings: dict[str, Any] = {
        "features": None,  # downloads nothing
        "flash": False,  # True would halve the precision
        "depth_confidence": -1,
        "width_confidence": -1,
        "filter_threshold": 0.1,
    }
    flash = torch.backends.cuda.flash_sdp_enabled()  # type: ignore[no-untyped-call]
    network = LightGlue(input_dim=descriptor, **settings)
    torch.backends.cuda.enable_flash_sdp(flash)  # kornia changes it for the whole process
    load_weights(network, path, missing=["confidence_thresholds"], prefix=prefix)  # kornia's own constant
    network.eval().requires_grad_(False).to(device)
    return network


def _as_corners(features: Features) -> tuple[Array, tuple[float, float]]:
    """Return GIM's input: pixel centres at halves."""
    height, width = features.size
    return features.points + np.float32(0.5), (float(width), float(height))


def _as_upsampled(features: Features) -> tuple[Array, tuple[float, float]]:
    """Return the input of the LightGlue for ALIKED: pixels of the image that ALIKED was given."""
    height, width = features.size
    scale = upsampling(features.size)
    return to_upsampled(features.points, features.size), (scale * width, scale * height)
