"""DINO ViT-B/16 (Caron et al. 2021, arXiv:2104.14294), the image encoder of VBench's subject consistency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate, normalize
from torchvision.transforms.functional import resize

from hoibench.clip import Array
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.weights import find_weights, weights_sha256
from hoibench.weights.loading import load_weights

WEIGHTS = "dino-vitb16"
SHORT_SIDE = 224
PATCH = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Dino:
    """An ``Encoder``: the class token of DINO's ViT-B/16 after the last norm, 768 values.

    The preprocessing is VBench's: the short side becomes 224 px, bilinear without antialiasing, nothing is cropped; a last patch that does not fit
    falls away.  ``network`` is timm's; position embeddings are interpolated as in DINO's own code.
    """

    network: Any
    device: str
    weights: Mapping[str, str]
    name: str = "dino-vitb16"

    @full_float32()
    @torch.inference_mode()
    def encode(self, images: Sequence[Array]) -> Array:
        """Return the features of (H, W, 3) uint8 images of one size: (n, 768) float32 of length 1."""
        pixels = self._to_pixels(images)
        tokens = self.network.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.network.cls_token.expand(len(images), -1, -1), tokens], dim=1)
        height, width = pixels.shape[-2:]
        tokens = tokens + interpolate_positions(self.network.pos_embed, height, width)
        features = self.network.norm(self.network.blocks(tokens))[:, 0]
        unit: Array = normalize(features, dim=-1).cpu().numpy()
        return unit

    def _to_pixels(self, images: Sequence[Array]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float()
        pixels = resize(pixels, [SHORT_SIDE], antialias=False) / 255.0
        mean, std = (torch.tensor(values, device=self.device)[:, None, None] for values in (MEAN, STD))
        normal: torch.Tensor = (pixels - mean) / std
        return normal


def interpolate_positions(embedding: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the position embedding for images of another size than that of training, (1, 1 + patches, d), by DINO's own rule.

    The rule interpolates by a scale factor a little above that of the sizes, (patches + 0.1) / side, and that also for as many patches as in
    training where the image is not square (facebookresearch/dino:vision_transformer.py).

    Args:
        embedding: (1, 1 + side * side, d): that of the class token, then those of a square of patches.
        height: height of the images, pixels.
        width: width of the images, pixels.
    """
    rows, columns, patches = height // PATCH, width // PATCH, embedding.shape[1] - 1
    if rows * columns == patches and height == width:
        return embedding
    side = round(patches**0.5)
    grid = embedding[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / side, (columns + 0.1) / side)
    grid = interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([embedding[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def load_dino(device: str = "cpu", folder: Path | None = None) -> Dino:
    """Load DINO's ViT-B/16 on a torch device; its weights are searched in ``folder`` first.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: the file does not match its checksum.
    """
    path = find_weights(WEIGHTS, folder)
    return Dino(load_network(path, device), device, {WEIGHTS: weights_sha256(path)})


@lru_cache(maxsize=1)
def load_network(path: Path, device: str = "cpu") -> Any:
    """Return timm's network with the tensors of DINO's checkpoint.

    Raises:
        ValueError: the file does not have exactly the network's tensors.
    """
    import timm  # imports hundreds of modules

    with torch.device("meta"):  # without random weights, which take seconds
        network = timm.create_model("vit_base_patch16_224.dino", pretrained=False)
    load_weights(network, path)
    return network.eval().requires_grad_(False).to(device)
