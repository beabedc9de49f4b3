"""Local features: points in an image with descriptors, and what a matcher is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hoibench.clip import Array


@dataclass(frozen=True, eq=False)
class Features:
    """PointSet of one image.

    Attributes:
        points: (n, 2) float32, x and y in pixels, centres at integers.
        descriptors: (n, d) float32.
    """

    points: Array
    descriptors: Array


class Matcher(Protocol):
    """Finds points in images and pairs those of two images."""

    @property
    def name(self) -> str:
        """Its part of the metric id, e.g. ``sift-mnn``."""

    @property
    def weights(self) -> Mapping[str, str]:
        """The sha256 of each weight file it loaded, by id."""

    def describe(self, image: Array) -> Features:
        """The features of an (H, W, 3) uint8 image."""

    def match(self, a: Features, b: Features) -> Array:
        """Pairs of indices into ``a`` and ``b``, (m, 2) int64, sorted by the first."""


def mutual_pairs(a: Array, b: Array, ratio: float | None = None, most: float | None = None) -> Array:
    """Pairs of (n, d) and (m, d) descriptors that are each other's nearest neighbour in L2; ties go to the lower index.

    Args:
        a: the first image's descriptors.
        b: the second's.
        ratio: nearest / second nearest distance must be below it, seen from either side, so that the order of the images does not matter.
        most: the distance must be below it.

    Returns:
        (k, 2) int64 indices, sorted by the first.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), dtype=np.int64)
    squared = a @ b.T
    squared *= -2.0
    squared += np.square(a).sum(1)[:, None]
    squared += np.square(b).sum(1)[None]
    columns = squared.argmin(axis=1)
    # NumPy's argmin is slow down columns, so it looks only at those whose least distance a row also calls its nearest.
    rows = np.flatnonzero(squared.min(axis=0)[columns] == squared[np.arange(len(a)), columns])
    from_b = np.ascontiguousarray(squared[:, columns[rows]].T)
    mutual = from_b.argmin(axis=1) == rows
    rows, columns, from_b = rows[mutual], columns[rows[mutual]], from_b[mutual]
    distance = _root(squared[rows, columns])
    keep = np.ones(len(rows), dtype=bool)
    if ratio is not None:
        keep &= distance < ratio * _second_smallest(squared[rows])
        keep &= distance < ratio * _second_smallest(from_b)
    if most is not None:
        keep &= distance < most
    return np.stack([rows[keep], columns[keep]], axis=1).astype(np.int64, copy=False)


def _second_smallest(squared: Array) -> Array:
    """The second smallest distance of each row of (k, m) squared ones; infinite where a row has one."""
    if squared.shape[1] == 1:
        return np.full(len(squared), np.inf)
    return _root(np.partition(squared, 1, axis=1)[:, 1])


def _root(squared: Array) -> Array:
    root: Array = np.sqrt(np.maximum(squared, 0.0))  # rounding may leave a distance of 0 just below it
    return root
