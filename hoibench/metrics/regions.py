"""Regions: the full frame, or the foreground alone with everything else painted grey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed

GREY = 127


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as a region shows it.

    Attributes:
        image: (H, W, 3) uint8, grey outside of the mask.
        mask: (H, W) bool, or None for the full frame.
        digest: a hash of both, so that equal frames share what is computed from them.
    """

    image: Array
    mask: Array | None
    digest: bytes

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) pixels."""
        return self.image.shape[0], self.image.shape[1]


def region_frame(image: Array, mask: Array | None = None) -> Frame:
    """The frame of an (H, W, 3) uint8 image in the region of an (H, W) bool mask (PROTOCOL, "Region"; None is the full frame)."""
    if mask is not None:
        image = np.where(mask[..., None], image, np.uint8(GREY))
    digest = hashlib.blake2b(image.tobytes(), digest_size=16)
    digest.update(repr(image.shape).encode())
    if mask is not None:
        digest.update(np.packbits(mask).tobytes())
    return Frame(image, mask, digest.digest())


LARGEST = 2.0
"""Times the truth's foreground that a method's own may cover."""


def _too_large(own: Array, truth: Array | None) -> bool:
    return truth is not None and own.shape == truth.shape and bool(own.sum() > LARGEST * truth.sum())


def regions(case: Case) -> Iterator[tuple[str, Array | None]]:
    """Yield (region, masks) of a case: ``full`` with None, then ``fg`` with (V, N, H, W) bool where there are masks.

    The method's own masks come first, the truth's else, and also where the method's cover over ``LARGEST`` times as much: a mask of everything
    would make the background count as foreground.

    Raises:
        Failed: the method's masks do not fit its video.
    """
    yield "full", None
    own = case.prediction.masks
    truth = case.clip.masks
    masks = truth if own is None or _too_large(own, truth) else own
    if masks is None:
        return
    if masks.shape != case.video.shape[:4]:
        whose = "the method's" if masks is own else "the truth's"
        raise Failed(f"{whose} masks have shape {masks.shape}, the video has (V, N, H, W) = {case.video.shape[:4]}")
    yield "fg", masks.astype(bool, copy=False)
