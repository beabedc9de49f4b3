"""Local features of an image, the interface of a matcher, and mutual nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.epipolar import Magsac


@dataclass(frozen=True, eq=False)
class Features:
    """Local features of one image: points and their descriptors.

    Attributes:
        points: (n, 2) float32, x and y in pixels; pixel centres are integers.
        descriptors: (n, d) float32, a vector for each point that is similar for the same point in other images.
        size: (H, W) of the image, pixels.
    """

    points: Array
    descriptors: Array
    size: tuple[int, int]


class Matcher(Protocol):
    """Interface of an algorithm that finds points in images and matches the points of two images."""

    @property
    def name(self) -> str:
        """The matcher's name as in metric ids, e.g. ``sift-mnn`` in ``matching_pixels/sift-mnn@2``."""

    @property
    def magsac(self) -> Magsac:
        """Settings of the check that the matches of two images agree with one fundamental matrix."""

    @property
    def weights(self) -> Mapping[str, str]:
        """The sha256 of each weight file that the matcher loads, by weight id; empty if it has none."""

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images, all of one size, and their descriptors; an image's features do not depend on the others."""

    def match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        """Return, for each pair of images, the matches as index pairs of their points, (m, 2) int64, sorted by the first."""


def describe_on(
    device: str, describe: Callable[[Sequence[Array]], list[Features]], images: Sequence[Array]
) -> list[Features]:
    """Return the features of images by a network's ``describe``: as one batch, on a CPU one by one, where a batch takes longer and more memory."""
    if device == "cpu":
        return [features for image in images for features in describe([image])]
    return describe(images)


def mutual_pairs(a: Array, b: Array, ratio: float | None = None, max_distance: float | None = None) -> Array:
    """Return the index pairs of descriptors that are each other's nearest neighbour in L2 distance; ties go to the lower index.

    Args:
        a: (n, d) descriptors of the first image.
        b: (m, d) descriptors of the second.
        ratio: a pair's distance must be below this share of the second nearest distance, seen from both images, so that their order does not matter.
            None means no bound.
        max_distance: a pair's distance must be below this.  None means no bound.

    Returns:
        (k, 2) int64 indices into ``a`` and ``b``, sorted by the first.

    >>> a, b = np.array([[0.0], [5.0]]), np.array([[5.1], [0.2], [9.0]])
    >>> mutual_pairs(a, b).tolist()
    [[0, 1], [1, 0]]
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), dtype=np.int64)
    squared = a @ b.T
    squared *= -2.0
    squared += np.square(a).sum(1)[:, None]
    squared += np.square(b).sum(1)[None]
    columns = squared.argmin(axis=1)
    # NumPy's argmin is slow along columns, so it runs only on those whose least distance is also a row's least.
    rows = np.flatnonzero(squared.min(axis=0)[columns] == squared[np.arange(len(a)), columns])
    from_b = np.ascontiguousarray(squared[:, columns[rows]].T)
    mutual = from_b.argmin(axis=1) == rows
    rows, columns, from_b = rows[mutual], columns[rows[mutual]], from_b[mutual]
    distance = _root(squared[rows, columns])
    keep = np.ones(len(rows), dtype=bool)
    if ratio is not None:
        keep &= distance < ratio * _second_smallest(squared[rows])
        keep &= distance < ratio * _second_smallest(from_b)
    if max_distance is not None:
        keep &= distance < max_distance
    return np.stack([rows[keep], columns[keep]], axis=1).astype(np.int64, copy=False)


def _second_smallest(squared: Array) -> Array:
    """Return the second smallest distance of each row of (k, m) squared distances; infinite if a row has only one."""
    if squared.shape[1] == 1:
        return np.full(len(squared), np.inf)
    return _root(np.partition(squared, 1, axis=1)[:, 1])


def _root(squared: Array) -> Array:
    root: Array = np.sqrt(np.maximum(squared, 0.0))  # rounding may turn a distance of 0 negative
    return root
