"""Regions of a video in which it is scored: the full frame, or the foreground (hands and objects) with all other pixels painted grey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.case import Case

GREY = 127
MAX_OWN_AREA = 2.0
"""A method's own foreground masks may cover at most this many times the area of the true masks."""


@dataclass(frozen=True, eq=False)
class RegionFrame:
    """One video frame, limited to a region.

    Attributes:
        image: (H, W, 3) uint8, grey outside the region.
        mask: (H, W) bool, or None for the full frame.
        digest: hash of both; equal frames share computed results.
    """

    image: Array
    mask: Array | None
    digest: bytes

    @classmethod
    def from_image(cls, image: Array, mask: Array | None = None, area: Array | None = None) -> RegionFrame:
        """Return the frame of an (H, W, 3) uint8 image with an (H, W) bool mask; None is the full frame.

        The image is painted grey outside ``area``, (H, W) bool, by default the mask.
        """
        area = mask if area is None else area
        if area is not None:
            image = np.where(area[..., None], image, np.uint8(GREY))
        digest = hashlib.blake2b(image.tobytes(), digest_size=16)
        digest.update(repr(image.shape).encode())
        if mask is not None:
            digest.update(np.packbits(mask).tobytes())
        return cls(image, mask, digest.digest())

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image, pixels."""
        return self.image.shape[0], self.image.shape[1]


def frame_pair(frames: Array, masks: Array | None, first: int, second: int) -> tuple[RegionFrame, RegionFrame]:
    """Return two frames of an (N, H, W, 3) uint8 video of one view for optical flow.

    With ``masks``, (N, H, W) bool, both are grey outside the union of their masks: an outline that moved over a still image would count as motion.
    """
    if masks is None:
        return RegionFrame.from_image(frames[first]), RegionFrame.from_image(frames[second])
    union = masks[first] | masks[second]
    a, b = (RegionFrame.from_image(frames[n], masks[n], union) for n in (first, second))
    return a, b


def frame_pairs(
    frames: Array, masks: Array | None, indices: Sequence[int]
) -> Iterator[tuple[RegionFrame, RegionFrame]]:
    """Yield the ``frame_pair`` of each two consecutive indices; without masks, two consecutive pairs share a ``RegionFrame``."""
    if masks is None:
        yield from pairwise(RegionFrame.from_image(frames[n]) for n in indices)
    else:
        yield from (frame_pair(frames, masks, first, second) for first, second in pairwise(indices))


def region_masks(case: Case) -> Iterator[tuple[str, Array | None]]:
    """Yield the regions of a prediction: (``full``, None), then (``fg``, foreground masks (V, N, H, W) bool) if there are masks.

    The method's own masks are used if it gives some, else the true ones.  The true ones are also used if the method's cover over ``MAX_OWN_AREA``
    times as much: a mask of everything would count the background as foreground.
    """
    yield "full", None
    own, truth = case.prediction.masks, case.clip.masks
    masks = truth if own is None or _is_too_large(own, truth) else own
    if masks is not None:
        yield "fg", masks


def _is_too_large(own: Array, truth: Array | None) -> bool:
    return truth is not None and bool(own.sum() > MAX_OWN_AREA * truth.sum())
