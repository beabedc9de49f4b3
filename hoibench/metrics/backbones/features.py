"""Local features: points in an image with descriptors, and what a matcher is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hoibench.clip import Array


@dataclass(frozen=True, eq=False)
class Features:
    """Points of one image.

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


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest neighbours of each of n descriptors among m others.

    Attributes:
        index: (n,) int64, the nearest.
        distance: (n,) float32, L2 to it.
        second: (n,) float32, L2 to the second nearest; infinite where there is none.
    """

    index: Array
    distance: Array
    second: Array


def nearest(a: Array, b: Array) -> tuple[Neighbours, Neighbours]:
    """The nearest neighbours of (n, d) descriptors among (m, d) others and the reverse, from one distance matrix; ties go to the lower index."""
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2.0 * (a @ b.T)
    return _rows(squared), _rows(np.ascontiguousarray(squared.T))


def _rows(squared: Array) -> Neighbours:
    rows = np.arange(len(squared))
    index = squared.argmin(axis=1)
    distance = squared[rows, index]
    if squared.shape[1] > 1:
        squared[rows, index] = np.inf
        second = squared.min(axis=1)
        squared[rows, index] = distance
    else:
        second = np.full(len(squared), np.inf, dtype=squared.dtype)
    return Neighbours(index, np.sqrt(np.maximum(distance, 0)), np.sqrt(np.maximum(second, 0)))


def mutual_pairs(a: Array, b: Array, ratio: float | None = None, most: float | None = None) -> Array:
    """Pairs of (n, d) and (m, d) descriptors that are each other's nearest neighbour.

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
    forward, backward = nearest(a, b)
    rows = np.arange(len(a))
    columns = forward.index
    keep = backward.index[columns] == rows
    if ratio is not None:
        keep &= forward.distance < ratio * forward.second
        keep &= backward.distance[columns] < ratio * backward.second[columns]
    if most is not None:
        keep &= forward.distance < most
    return np.stack([rows[keep], columns[keep]], axis=1).astype(np.int64, copy=False)
