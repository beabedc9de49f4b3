"""SuperPoint (DeTone et al. 2018, arXiv:1712.07629), as GIM's demo uses it: the detector of the matcher gim-lightglue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from transformers import SuperPointConfig, SuperPointForKeypointDetection

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.weights.loading import load_tensors, read_state_dict

KEYPOINTS = 2048
CELL = 8
"""The network's input is resized so that its sides are multiples of this, rounded down."""
BORDER = 4
DESCRIPTOR = 256
_NAMES = {
    **{f"conv{n}{ab}": f"encoder.conv_blocks.{n - 1}.conv_{ab}" for n in (1, 2, 3, 4) for ab in "ab"},
    **{f"convP{ab}": f"keypoint_decoder.conv_score_{ab}" for ab in "ab"},
    **{f"convD{ab}": f"descriptor_decoder.conv_descriptor_{ab}" for ab in "ab"},
}
"""The authors' name of each layer -> the name in transformers."""


@dataclass(frozen=True, eq=False)
class SuperPoint:
    """The 2048 strongest SuperPoint points of an image, whatever their score (xuelunshen/gim:demo.py): NMS radius 3, at least 4 px from the edge.

    GIM adds random points to images with fewer; these are not added here.  An image whose grey is constant has no points: GIM's threshold of 0 would
    take any of its pixels.
    """

    network: SuperPointForKeypointDetection
    device: str

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images of one size and their descriptors."""
        greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        found = {i: self._describe(grey) for i, grey in enumerate(greys) if grey.min() < grey.max()}
        size = greys[0].shape[0], greys[0].shape[1]
        none = Features(np.empty((0, 2), np.float32), np.empty((0, DESCRIPTOR), np.float32), size)
        return [found.get(i, none) for i in range(len(images))]

    @torch.inference_mode()
    @full_float32()
    def _describe(self, grey: Array) -> Features:
        size = grey.shape[0], grey.shape[1]
        pixels = torch.from_numpy(grey).to(self.device)[None, None].float() / 255.0
        height, width = (side // CELL * CELL for side in size)
        if (height, width) != size:
            pixels = torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
        output = self.network(pixels.expand(-1, 3, -1, -1))
        sides = torch.tensor([width, height], device=self.device)
        points = (output.keypoints[0] * sides).round()  # transformers divides pixels by the sides
        # transformers keeps points at the right and lower edge, so that edges are removed here, before the strongest are chosen.
        inside = ((points >= BORDER) & (points < sides - BORDER)).all(dim=1)
        chosen = torch.where(inside)[0]
        chosen = chosen[output.scores[0][chosen].topk(min(KEYPOINTS, len(chosen))).indices]
        ratio = torch.tensor([size[1], size[0]], device=self.device) / sides
        original = (points[chosen] + 0.5) * ratio - 0.5
        return Features(original.cpu().numpy(), output.descriptors[0][chosen].cpu().numpy(), size)


def load_superpoint(path: Path, prefix: str, device: str) -> SuperPoint:
    """Load SuperPoint on a torch device, from a checkpoint with the authors' names of tensors behind a prefix.

    Raises:
        ValueError: the file is no checkpoint, or its names or shapes differ.
    """
    # No limit and no edges: both are applied in ``SuperPoint``.
    config = SuperPointConfig(keypoint_threshold=0.0, nms_radius=3, max_keypoints=-1, border_removal_distance=0)
    network: Any = SuperPointForKeypointDetection(config)  # Any, since transformers types neither eval nor to
    state = {_rename(name): tensor for name, tensor in read_state_dict(path, prefix).items()}
    load_tensors(network, state, path)
    return SuperPoint(network.eval().requires_grad_(False).to(device), device)


def _rename(name: str) -> str:
    layer, _, kind = name.partition(".")
    return f"{_NAMES[layer]}.{kind}" if layer in _NAMES else name
