"""Image encoders: their interface, their names, and the features of a video, of which each distinct frame is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.backbones.loading import load_backbone
from hoibench.metrics.case import Case
from hoibench.metrics.regions import RegionFrame


class Encoder(Protocol):
    """Interface of a network that describes an image by one vector."""

    @property
    def name(self) -> str:
        """The encoder's name in ``details``."""

    @property
    def weights(self) -> Mapping[str, str]:
        """The sha256 of each weight file that the encoder loads, by weight id."""

    def encode(self, images: Sequence[Array]) -> Array:
        """Return the features of (H, W, 3) uint8 images of one size: (n, d) float32 of length 1."""


def row_columns(encoder: Encoder, region: str) -> dict[str, Any]:
    """Return what every measurement with an encoder in a region has: the region, the weights, and details."""
    return {
        "region": region,
        "weights": encoder.weights,
        "details": {"encoder": encoder.name, "precision": "fp32"},
    }


def encode_video(
    video: Array,
    encoder: Encoder,
    masks: Array | None = None,
    batch: int = 8,
    memo: MutableMapping[Hashable, Any] | None = None,
) -> tuple[Array, Array]:
    """Return the features of the frames of a video, and which frames show the region.

    Args:
        video: (V, N, H, W, 3) uint8.
        encoder: describes images, e.g. from ``load_encoder``.
        masks: (V, N, H, W) bool; pixels outside are painted grey, and frames without a pixel inside are not encoded.
        batch: images per call of the encoder.
        memo: stores features by the frames' contents, so that equal frames are encoded once; by default among the frames of this video only.

    Returns:
        (V, N, d) float32 of length 1, and 0 where a frame is not encoded; (V, N) bool, true where it is.
    """
    is_seen: Array = np.ones(video.shape[:2], bool) if masks is None else np.any(masks, axis=(2, 3))
    frames = (
        RegionFrame.from_image(video[v, n], None if masks is None else masks[v, n]) for v, n in np.argwhere(is_seen)
    )
    found = _encode(encoder, frames, batch, {} if memo is None else memo)
    features = np.zeros((*is_seen.shape, found[0].size if found else 0), np.float32)
    features[is_seen] = found
    return features, is_seen


def _encode(
    encoder: Encoder, frames: Iterable[RegionFrame], batch: int, memo: MutableMapping[Hashable, Any]
) -> list[Array]:
    """Return the features of each frame; frames are read one after another, and at most ``batch`` of them are kept."""
    keys: list[Hashable] = []
    waiting: dict[Hashable, Array] = {}

    def encode_waiting() -> None:
        if waiting:
            memo.update(zip(waiting, encoder.encode(list(waiting.values())), strict=True))
            waiting.clear()

    for frame in frames:
        keys.append(("features", encoder.name, frame.digest))
        if keys[-1] not in memo:
            waiting[keys[-1]] = frame.image
        if len(waiting) == batch:
            encode_waiting()
    encode_waiting()
    return [memo[key] for key in keys]


def _load_dino(case: Case) -> Encoder:
    from hoibench.metrics.backbones.dino import load_dino  # imports torch

    return load_dino(case.device, case.weights)


def _load_clip_encoder(case: Case, name: str) -> Encoder:
    from hoibench.metrics.backbones.clip_encoder import load_clip_encoder  # imports torch

    return load_clip_encoder(name, case.device, case.weights)


ENCODERS: Mapping[str, Callable[[Case], Encoder]] = MappingProxyType(
    {
        "dino-vitb16": _load_dino,
        "vitb32-openai": lambda case: _load_clip_encoder(case, "vitb32-openai"),
        "vith14-laion2b": lambda case: _load_clip_encoder(case, "vith14-laion2b"),
    }
)
"""Functions that load each encoder, by its name."""


def load_encoder(name: str, case: Case) -> Encoder:
    """Load the encoder with a name, e.g. ``dino-vitb16``, on the case's device, with the case's folder of weights.

    Raises:
        UnknownName: there is no such encoder.
        Unavailable: its weights are missing.
    """
    return load_backbone("encoder", name, ENCODERS, case)
