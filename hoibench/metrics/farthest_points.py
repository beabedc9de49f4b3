"""Farthest-point sampling: a cloud thinned evenly, whatever order its points come in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hoibench.clip import Array

_BATCH_POINTS = 1 << 16
"""PointSet that one batch of clouds holds: enough that a step's arithmetic outweighs its calls, few enough for a core's cache."""


def sample_farthest_points(clouds: Sequence[Array], counts: Sequence[int], seed: int = 0) -> list[Array]:
    """Thin each cloud to its count: each point taken is the one farthest from those taken before.

    The first is the farthest along a direction drawn from ``seed``, and ties go to the smaller coordinates (x, then y, then z): the
    set that comes out does not depend on the order of the points that went in.

    Args:
        clouds: (n_i, 3) each, metres.
        counts: how many points to keep of each, 1 to n_i.
        seed: of the first point's direction.

    Returns:
        (count_i, 3) each, in the order taken.

    Raises:
        ValueError: a count is not between 1 and the cloud's size.

    Source: Eldar et al., "The farthest point strategy for progressive image sampling", IEEE TIP 6(9), 1997.
    """
    for i, (cloud, count) in enumerate(zip(clouds, counts, strict=True)):
        if not 1 <= count <= len(cloud):
            raise ValueError(f"cloud {i} has {len(cloud)} points, {count} cannot be kept of them")
    direction = np.random.default_rng(seed).standard_normal(3)
    # Clouds that keep like counts share a batch, since a batch runs as long as its longest.
    order = sorted(range(len(clouds)), key=lambda i: (counts[i], len(clouds[i])))
    batches: list[list[int]] = []
    held = _BATCH_POINTS
    for i in order:
        if held + len(clouds[i]) > _BATCH_POINTS:
            batches.append([])
            held = 0
        batches[-1].append(i)
        held += len(clouds[i])
    kept: list[Array] = [np.empty((0, 3))] * len(clouds)

    def thin(batch: list[int]) -> None:
        for i, cloud in zip(
            batch, _thin_batch([clouds[i] for i in batch], max(counts[i] for i in batch), direction), strict=True
        ):
            kept[i] = cloud[: counts[i]]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(thin, batches))
    return kept


def _thin_batch(clouds: Sequence[Array], count: int, direction: Array) -> list[Array]:
    """Each cloud's points by order of taking, ``count`` of them, or all where it has fewer."""
    # argmax takes the first of equals: sorted by coordinates, the smaller ones.
    sorted_clouds = [cloud[np.lexsort(cloud.T[::-1])] for cloud in clouds]
    sizes = np.array([len(cloud) for cloud in clouds])
    rows = np.arange(len(clouds))
    table = np.zeros((len(clouds), 5, sizes.max()))
    farthest = np.zeros(len(clouds), dtype=np.intp)
    for f, cloud in enumerate(sorted_clouds):
        table[f, :, : sizes[f]] = _homogeneous(cloud)
        farthest[f] = np.argmax(sum(axis * d for axis, d in zip(cloud.T, direction, strict=True)))
    # Squared distance to the points taken; -1 for a point that is taken itself, or that pads its cloud.
    nearest = np.where(np.arange(sizes.max()) < sizes[:, None], np.inf, -1.0)
    taken = np.empty((len(clouds), count), dtype=np.intp)
    square, plane = np.empty((len(clouds), 1, sizes.max())), np.ones((len(clouds), 1, 5))
    for step in range(count):
        taken[:, step] = farthest
        point = table[rows, :, farthest]
        plane[:, 0, :3], plane[:, 0, 3] = -2.0 * point[:, :3], point[:, 4]
        np.matmul(plane, table, out=square)
        np.minimum(nearest, square[:, 0], out=nearest)
        nearest[rows, farthest] = -1.0
        farthest = nearest.argmax(axis=1)
    return [cloud[taken[f, : sizes[f]]] for f, cloud in enumerate(sorted_clouds)]


def _homogeneous(cloud: Array) -> Array:
    """Rows x, y, z, 1, |x|^2, on which (-2 p, |p|^2, 1) is |x - p|^2: one product a step.

    Coordinates are whole steps of a grid of 2^24 across the cloud, so that each product and sum is a whole number under 2^53, exact in
    any order of addition: equal distances stay equal, and none depends on where in a batch a point stands.
    """
    low = cloud.min(axis=0)
    _, exponent = np.frexp((cloud - low).max())
    x = np.rint(np.ldexp(cloud - low, 24 - int(exponent)))
    return np.vstack([x.T, np.ones(len(x)), np.square(x).sum(axis=1)])
