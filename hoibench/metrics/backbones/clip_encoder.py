"""The image encoders of CLIP (Radford et al. 2021, arXiv:2103.00020), as open_clip's models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from hoibench.clip import Array
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.weights import find_weights, weights_sha256
from hoibench.weights.loading import load_weights

Transform = Callable[[Image.Image], torch.Tensor]

MODELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "vitb32-openai": ("ViT-B-32-quickgelu", "clip-vit-b-32-openai"),
        "vith14-laion2b": ("ViT-H-14", "clip-vit-h-14-laion2b_s32b_b79k"),
    }
)
"""open_clip's name and the weights of each model, by its name in metric ids; OpenAI's weights need QuickGELU, which plain ViT-B-32 lacks."""


@dataclass(frozen=True, eq=False)
class ClipEncoder:
    """An ``Encoder``: the projected image embedding of a CLIP model, of images prepared by open_clip's own evaluation transform.

    The transform resizes the short side to 224 px (bicubic, antialiased) and crops the centre.
    """

    network: torch.nn.Module
    transform: Transform
    device: str
    name: str
    weights: Mapping[str, str]

    @full_float32()
    @torch.inference_mode()
    def encode(self, images: Sequence[Array]) -> Array:
        """Return the embeddings of (H, W, 3) uint8 images: (n, d) float32 of length 1."""
        pixels = torch.stack([self.transform(Image.fromarray(image)) for image in images])
        features = self.network(pixels.to(self.device))
        unit: Array = torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
        return unit


def load_clip_encoder(name: str, device: str = "cpu", folder: Path | None = None) -> ClipEncoder:
    """Load the image encoder of one of ``MODELS`` on a torch device; its weights are searched in ``folder`` first.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: the file does not match its checksum.
    """
    model, weights = MODELS[name]
    path = find_weights(weights, folder)
    network, transform = load_network(model, path, device)
    return ClipEncoder(network, transform, device, name, {weights: weights_sha256(path)})


@lru_cache(maxsize=2)
def load_network(model: str, path: Path, device: str = "cpu") -> tuple[torch.nn.Module, Transform]:
    """Return open_clip's image encoder of a model with the tensors ``visual.*`` of a checkpoint, and its evaluation transform.

    Raises:
        ValueError: the file does not have exactly the encoder's tensors.
    """
    network, transform = build_image_encoder(model)
    load_weights(network, path, prefix="visual.")
    return network.eval().requires_grad_(False).to(device), transform


def build_image_encoder(model: str) -> tuple[Any, Transform]:
    """Return open_clip's image encoder of a model on the device ``meta``, without weights, and its evaluation transform."""
    import open_clip  # imports hundreds of modules
    from open_clip.transformer import QuickGELU

    config = open_clip.get_model_config(model)
    with torch.device("meta"):  # without random weights, which take seconds, and without the text encoder's memory
        network = open_clip.CLIP(**config).visual
    activations = {isinstance(block.mlp.gelu, QuickGELU) for block in network.transformer.resblocks}
    assert activations == {model.endswith("quickgelu")}, f"open_clip builds another activation for {model}"
    return network, open_clip.image_transform(network.image_size, is_train=False)
