"""Farthest-point sampling: a cloud thinned evenly, whatever order its points come in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hoibench.clip import Array

_BATCH_POINTS = 1 << 16
"""Points that one batch of clouds holds: enough that a step's arithmetic outweighs its calls, few enough for a core's cache."""


def farthest_points(clouds: Sequence[Array], counts: Sequence[int], seed: int = 0) -> list[Array]:
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
    sizes = np.array([len(cloud) for cloud in clouds])
    # Coordinates apart, (3, F, n): every step below then runs over contiguous memory.
    axes = np.zeros((3, len(clouds), sizes.max()))
    for f, cloud in enumerate(clouds):
        axes[:, f, : sizes[f]] = cloud[np.lexsort(cloud.T[::-1])].T  # argmax takes the first: ties by coordinates
    absent = np.arange(sizes.max()) >= sizes[:, None]
    rows = np.arange(len(clouds))
    along = sum(axis * d for axis, d in zip(axes, direction, strict=True))
    farthest = np.where(absent, -np.inf, along).argmax(axis=1)
    nearest = np.where(absent, -1.0, np.inf)  # squared distance to the points taken; -1 once taken itself
    taken = np.empty((len(clouds), count), dtype=np.intp)
    square, term = np.empty_like(nearest), np.empty_like(nearest)
    for step in range(count):
        taken[:, step] = farthest
        np.subtract(axes[0], axes[0, rows, farthest, None], out=square)
        np.multiply(square, square, out=square)
        for axis in axes[1:]:
            np.subtract(axis, axis[rows, farthest, None], out=term)
            np.multiply(term, term, out=term)
            np.add(square, term, out=square)
        np.minimum(nearest, square, out=nearest)
        nearest[rows, farthest] = -1.0
        farthest = nearest.argmax(axis=1)
    return [axes[:, f, taken[f, : sizes[f]]].T for f in range(len(clouds))]
