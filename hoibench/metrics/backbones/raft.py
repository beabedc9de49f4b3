"""RAFT large (Teed and Deng 2020, arXiv:2003.12039), the optical flow of VBench's dynamic degree, as torchvision's ``raft_large``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torchvision.models.optical_flow import RAFT, raft_large
from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

from hoibench.clip import Array
from hoibench.metrics.backbones.fp32 import full_float32
from hoibench.weights import find_weights, weights_sha256
from hoibench.weights.loading import load_weights

WEIGHTS = "raft-large-c_t_v1"
UPDATES = 20
STRIDE = 8
"""The network works on an eighth of the image's size, and needs sides that are multiples of it."""

Pair = tuple[Array, Array]
KnownFeatures = dict[int, tuple[Array, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Raft:
    """A ``Flow`` by RAFT: 20 updates from zero flow, sides padded to multiples of 8 by repeating the border, on both sides (VBench: "sintel").

    It runs torchvision's modules itself: the features of an image that two neighbouring pairs share are computed once, and the flow is upsampled
    once, after the last update.
    """

    network: RAFT
    device: str
    weights: Mapping[str, str]
    batch: int = 1
    name: str = "raft-large"

    def flows(self, pairs: Iterable[Pair]) -> Iterator[Array]:
        """Yield the flow of each pair of (H, W, 3) uint8 images of one size: (H', W', 2) float32 pixels (x, y), padding included.

        Two pairs share the features of an image if it is the same array object.
        """
        features: KnownFeatures = {}
        rest = iter(pairs)
        while chunk := list(islice(rest, self.batch)):
            features = self._encode(chunk, features)
            yield from self._flows(chunk, features)

    @full_float32()
    @torch.inference_mode()
    def _encode(self, pairs: Sequence[Pair], known: KnownFeatures) -> KnownFeatures:
        """Return the features of all images of the pairs, by the identity of the array, which is kept with them."""
        images = {id(image): image for pair in pairs for image in pair}
        new = [image for key, image in images.items() if key not in known]
        if new:
            known = known | {id(image): (image, f) for image, f in zip(new, self._encode_images(new), strict=True)}
        return {key: known[key] for key in images}

    def _encode_images(self, images: Sequence[Array]) -> torch.Tensor:
        features: torch.Tensor = self.network.feature_encoder(self._to_pixels(images))
        return features

    @full_float32()
    @torch.inference_mode()
    def _flows(self, pairs: Sequence[Pair], features: KnownFeatures) -> Array:
        """Return the flow of each pair: (n, H', W', 2)."""
        network = self.network
        first, second = (torch.stack([features[id(pair[end])][1] for pair in pairs]) for end in (0, 1))
        network.corr_block.build_pyramid(first, second)
        context = network.context_encoder(self._to_pixels([image for image, _ in pairs]))
        hidden, context = context.split(network.update_block.hidden_state_size, dim=1)
        hidden, context = hidden.tanh(), context.relu()
        start = make_coords_grid(len(pairs), *first.shape[-2:]).to(self.device)
        position = start
        for _ in range(UPDATES):
            correlation = network.corr_block.index_pyramid(centroids_coords=position)
            hidden, change = network.update_block(hidden, context, correlation, position - start)
            position = position + change
        network.corr_block.corr_pyramid = []  # the largest tensor: it grows with the square of the image's area
        flow: torch.Tensor = upsample_flow(position - start, network.mask_predictor(hidden))
        vectors: Array = flow.permute(0, 2, 3, 1).cpu().numpy()
        return vectors

    def _to_pixels(self, images: Sequence[Array]) -> torch.Tensor:
        """Return images as (n, 3, H', W') float32, -1 to 1, padded."""
        pixels = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float()
        down, right = (-side % STRIDE for side in pixels.shape[-2:])
        padding = (right // 2, right - right // 2, down // 2, down - down // 2)
        return torch.nn.functional.pad(2.0 * (pixels / 255.0) - 1.0, padding, mode="replicate")


def load_raft(device: str = "cpu", folder: Path | None = None, batch: int = 8) -> Raft:
    """Load RAFT on a torch device; its weights are searched in ``folder`` first.  ``batch`` pairs are processed at a time, on a CPU one.

    Raises:
        WeightsMissing: no searched folder has the weights.
        WeightsDamaged: the file does not match its checksum.
    """
    path = find_weights(WEIGHTS, folder)
    return Raft(load_network(path, device), device, {WEIGHTS: weights_sha256(path)}, 1 if device == "cpu" else batch)


@lru_cache(maxsize=1)
def load_network(path: Path, device: str = "cpu") -> RAFT:
    """Return torchvision's network with the tensors of a checkpoint.

    Raises:
        ValueError: the file does not have exactly the network's tensors.
    """
    network = raft_large(weights=None, progress=False)
    load_weights(network, path)
    network.eval().requires_grad_(False).to(device)
    return network
