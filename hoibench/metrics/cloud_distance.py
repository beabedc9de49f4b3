"""Distances between point clouds: nearest neighbours both ways, after both sides are thinned to one count."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from hoibench.clip import Array
from hoibench.metrics.farthest_points import sample_farthest_points

CAMERA_CENTRE = np.zeros((1, 3))
LEAST_SHARE = 0.5
"""The truth keeps at least this share of its points, however few are predicted: thinned without bound, it would come down to a few
points at its ends, and whoever predicts only these would be right."""


@dataclass(frozen=True, eq=False)
class CloudDistances:
    """What separates each of n pairs of clouds.

    Attributes:
        linear: (n, 2) metres: mean_p min_x |p - x| (accuracy), and mean_x min_p |p - x| (completeness).
        squared: (n, 2) m^2: the same of |p - x|^2.
        floor: (n, 2) metres and m^2: both halves' sum between the whole truth and as many of its own points as were predicted, 0 where
            there were enough.
        thinned: (n,) bool, whether the counts differed.
        empty: (n,) bool, whether there was no predicted point.
    """

    linear: Array
    squared: Array
    floor: Array
    thinned: Array
    empty: Array


def nearest_distances(pred: Array, truth: Array) -> tuple[Array, Array]:
    """Distance from each of (a, 3) points to the nearest of (b, 3) others, (a,), and back, (b,): exact, float64."""
    to_truth, _ = cKDTree(truth).query(pred)
    to_pred, _ = cKDTree(pred).query(truth)
    return np.asarray(to_truth), np.asarray(to_pred)


def nearest_distances_of_all(pairs: Sequence[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    """``nearest_distances`` of many pairs, one thread a core: a tree's query lets the others run."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: nearest_distances(*pair), pairs))


def compare_clouds(pred: Sequence[Array], truth: Sequence[Array], seed: int = 0) -> CloudDistances:
    """Compare predicted with true clouds, pair by pair.

    Where the counts differ, the larger cloud is thinned to the smaller count by seeded farthest-point sampling, since density alone
    moves the distance; the truth at most to half of its points.  An empty prediction is compared as one point at the camera's centre,
    the place where rpe, too, puts what is missing: no answer must never be nearer than an answer.

    Args:
        pred: (a_i, 3) each, camera space, metres; may be empty.
        truth: (b_i, 3) each, camera space, metres; never empty.
        seed: of the sampling.

    Raises:
        ValueError: a true cloud is empty.
    """
    for i, cloud in enumerate(truth):
        if not len(cloud):
            raise ValueError(f"true cloud {i} is empty: leave such frames out")
    a, b = np.array([len(p) for p in pred], dtype=int), np.array([len(x) for x in truth], dtype=int)
    empty = a == 0
    keep = np.where(empty, b, np.clip(a, np.ceil(LEAST_SHARE * b).astype(int), b))
    some_truth = _thin(truth, keep, seed)
    some_pred = [CAMERA_CENTRE if not len(p) else p for p in _thin(pred, np.minimum(a, b), seed)]
    found = nearest_distances_of_all(list(zip(some_pred, some_truth, strict=True)))
    floors = np.zeros((len(truth), 2))
    fewer = [int(i) for i in np.flatnonzero((a < b) & ~empty)]
    # What was taken first is the thinner cloud.  Its own way to the whole one, the other half, is 0.
    perfect = nearest_distances_of_all([(some_truth[i][: a[i]], truth[i]) for i in fewer])
    for i, (_, completeness) in zip(fewer, perfect, strict=True):
        floors[i] = completeness.mean(), np.square(completeness).mean()
    return CloudDistances(
        linear=np.array([[half.mean() for half in halves] for halves in found]).reshape(-1, 2),
        squared=np.array([[np.square(half).mean() for half in halves] for halves in found]).reshape(-1, 2),
        floor=floors,
        thinned=(a != b) & ~empty,
        empty=empty,
    )


def _thin(clouds: Sequence[Array], counts: Array, seed: int) -> list[Array]:
    """The clouds, those with more points than their count thinned to it."""
    out = list(clouds)
    large = [i for i, cloud in enumerate(clouds) if counts[i] < len(cloud)]
    kept = sample_farthest_points([out[i] for i in large], [int(counts[i]) for i in large], seed)
    for i, cloud in zip(large, kept, strict=True):
        out[i] = cloud
    return out
