"""Farthest-point sampling: thin a point cloud evenly, whatever the order of its points."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hoibench.clip import Array

_BATCH_POINTS = 1 << 16
"""Points per batch of clouds: enough that a step's arithmetic outweighs its call overhead, few enough for a core's cache."""


def sample_farthest_points(clouds: Sequence[Array], counts: Sequence[int], seed: int = 0) -> list[Array]:
    """Sample points evenly from each cloud: every next point is the one farthest from those already chosen.

    The first point is the farthest along a direction drawn from ``seed``; ties go to the smaller coordinates (x, then y, then z).  The result
    therefore does not depend on the order of the input points.

    Args:
        clouds: (n_i, 3) each, metres.
        counts: number of points to keep of each cloud, 1 to n_i.
        seed: seed of the first point's direction.

    Returns:
        (count_i, 3) each, in the order chosen.

    Raises:
        ValueError: a count is not between 1 and the cloud's size.

    Source: Eldar et al., "The farthest point strategy for progressive image sampling", IEEE TIP 6(9), 1997.

    >>> line = np.stack([np.arange(5.0), np.zeros(5), np.zeros(5)], axis=1)
    >>> (points,) = sample_farthest_points([line], [3])
    >>> points[:, 0].tolist()
    [4.0, 0.0, 2.0]
    """
    for i, (cloud, count) in enumerate(zip(clouds, counts, strict=True)):
        if not 1 <= count <= len(cloud):
            raise ValueError(f"cannot sample {count} points of cloud {i}, which has {len(cloud)}")
    direction = np.random.default_rng(seed).standard_normal(3)
    # Clouds with similar counts share a batch, since a batch takes as many steps as its largest count.
    order = sorted(range(len(clouds)), key=lambda i: (counts[i], len(clouds[i])))
    batches: list[list[int]] = []
    batch_points = _BATCH_POINTS
    for i in order:
        if batch_points + len(clouds[i]) > _BATCH_POINTS:
            batches.append([])
            batch_points = 0
        batches[-1].append(i)
        batch_points += len(clouds[i])
    samples: list[Array] = [np.empty((0, 3))] * len(clouds)

    def sample(batch: list[int]) -> None:
        for i, points in zip(
            batch, _sample_batch([clouds[i] for i in batch], max(counts[i] for i in batch), direction), strict=True
        ):
            samples[i] = points[: counts[i]]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(sample, batches))
    return samples


def _sample_batch(clouds: Sequence[Array], count: int, direction: Array) -> list[Array]:
    """Return ``count`` points of each cloud in the order chosen, or all points of a smaller cloud; the first is the farthest along ``direction``."""
    # argmax returns the first of equals: sorted by coordinates, the smaller ones.
    sorted_clouds = [cloud[np.lexsort(cloud.T[::-1])] for cloud in clouds]
    sizes = np.array([len(cloud) for cloud in clouds])
    rows = np.arange(len(clouds))
    table = np.zeros((len(clouds), 5, sizes.max()))
    farthest = np.zeros(len(clouds), dtype=np.intp)
    for f, cloud in enumerate(sorted_clouds):
        table[f, :, : sizes[f]] = _homogeneous(cloud)
        farthest[f] = np.argmax(sum(axis * d for axis, d in zip(cloud.T, direction, strict=True)))
    # Squared distance to the nearest chosen point; -1 for chosen points and padding.
    nearest = np.where(np.arange(sizes.max()) < sizes[:, None], np.inf, -1.0)
    chosen = np.empty((len(clouds), count), dtype=np.intp)
    square, plane = np.empty((len(clouds), 1, sizes.max())), np.ones((len(clouds), 1, 5))
    for step in range(count):
        chosen[:, step] = farthest
        point = table[rows, :, farthest]
        plane[:, 0, :3], plane[:, 0, 3] = -2.0 * point[:, :3], point[:, 4]
        np.matmul(plane, table, out=square)
        np.minimum(nearest, square[:, 0], out=nearest)
        nearest[rows, farthest] = -1.0
        farthest = nearest.argmax(axis=1)
    return [cloud[chosen[f, : sizes[f]]] for f, cloud in enumerate(sorted_clouds)]


def _homogeneous(cloud: Array) -> Array:
    """Return rows (5, n) of x, y, z, 1 and |x|^2 for an (n, 3) cloud: (-2 p, |p|^2, 1) times them is |x - p|^2, so a step is one matrix product.

    Coordinates are rounded to integers on a grid of 2^24 steps across the cloud, so that each product and sum is an integer below 2^53, exact in
    any order of addition: equal distances stay equal, and none depends on a point's position in a batch.
    """
    low = cloud.min(axis=0)
    _, exponent = np.frexp((cloud - low).max())
    x = np.rint(np.ldexp(cloud - low, 24 - int(exponent)))
    return np.vstack([x.T, np.ones(len(x)), np.square(x).sum(axis=1)])
