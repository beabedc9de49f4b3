"""Distances between point clouds: nearest neighbours in both directions, after the larger cloud is thinned."""

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
"""Least share of its points that the true cloud keeps, however few are predicted.  Without a bound it could be thinned to a few points at its ends,
and a method that predicts just these would have no error."""


@dataclass(frozen=True, eq=False)
class CloudDistances:
    """Distances of n pairs of clouds with predicted points p and true points x; indexing with a slice selects pairs.

    Attributes:
        linear: (n, 2) metres: mean_p min_x |p - x| (accuracy), and mean_x min_p |p - x| (completeness).
        squared: (n, 2) m^2: the same means of |p - x|^2.
        floor: (n, 2) metres and m^2: accuracy + completeness of as many of the true points as were predicted, compared with all true points; 0 if
            enough points were predicted.
        thinned: (n,) bool, true if one cloud was thinned because it had more points.
        empty: (n,) bool, true if there was no predicted point.
    """

    linear: Array
    squared: Array
    floor: Array
    thinned: Array
    empty: Array

    def __getitem__(self, pairs: slice) -> CloudDistances:
        return CloudDistances(**{name: array[pairs] for name, array in vars(self).items()})


def nearest_distances(pred: Array, truth: Array) -> tuple[Array, Array]:
    """Return the distance from each of (a, 3) predicted points to the nearest of (b, 3) true points, (a,), and the reverse, (b,): exact, float64.

    >>> pred, truth = np.array([[0.0, 0, 0]]), np.array([[1.0, 0, 0], [0, 2, 0]])
    >>> [distances.tolist() for distances in nearest_distances(pred, truth)]
    [[1.0], [1.0, 2.0]]
    """
    to_truth, _ = cKDTree(truth).query(pred)
    to_pred, _ = cKDTree(pred).query(truth)
    return np.asarray(to_truth), np.asarray(to_pred)


def nearest_distances_of_all(pairs: Sequence[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    """Return ``nearest_distances`` of each (predicted, true) pair of clouds; one thread per core, since the search releases Python's lock (GIL)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: nearest_distances(*pair), pairs))


def compare_clouds(pred: Sequence[Array], truth: Sequence[Array], seed: int = 0) -> CloudDistances:
    """Return the distances between predicted and true point clouds, pair by pair.

    If the counts differ, the larger cloud is thinned to the smaller count by seeded farthest-point sampling, since density alone changes the
    distance; the truth keeps at least half of its points.  An empty prediction is replaced by one point at the camera's centre, as in metric rpe, so
    that a missing prediction never scores better than a wrong one.

    Args:
        pred: (a_i, 3) each, camera space, metres; may be empty.
        truth: (b_i, 3) each, camera space, metres; never empty.
        seed: seed of the sampling.

    >>> truth = np.array([[0.0, 0, 1], [1, 0, 1]])
    >>> compare_clouds([truth + np.array([0.0, 0, 0.1])], [truth]).linear.round(6).tolist()
    [[0.1, 0.1]]
    """
    a, b = np.array([len(p) for p in pred], dtype=int), np.array([len(x) for x in truth], dtype=int)
    empty = a == 0
    counts = np.where(empty, b, np.clip(a, np.ceil(LEAST_SHARE * b).astype(int), b))
    thin_truth = _thin(truth, counts, seed)
    thin_pred = [p if len(p) else CAMERA_CENTRE for p in _thin(pred, np.minimum(a, b), seed)]
    distances = nearest_distances_of_all(list(zip(thin_pred, thin_truth, strict=True)))
    floors = np.zeros((len(truth), 2))
    fewer = [int(i) for i in np.flatnonzero((a < b) & ~empty)]
    # Sampling is incremental: the first a points are the thinner cloud.  They are part of the complete one, so the other half is 0.
    perfect = nearest_distances_of_all([(thin_truth[i][: a[i]], truth[i]) for i in fewer])
    for i, (_, completeness) in zip(fewer, perfect, strict=True):
        floors[i] = completeness.mean(), np.square(completeness).mean()
    return CloudDistances(
        linear=np.array([[half.mean() for half in halves] for halves in distances]).reshape(-1, 2),
        squared=np.array([[np.square(half).mean() for half in halves] for halves in distances]).reshape(-1, 2),
        floor=floors,
        thinned=(a != b) & ~empty,
        empty=empty,
    )


def _thin(clouds: Sequence[Array], counts: Array, seed: int) -> list[Array]:
    """Return the clouds, those with more points than their entry of ``counts`` thinned to it by farthest-point sampling."""
    thinned = list(clouds)
    large = [i for i, cloud in enumerate(clouds) if counts[i] < len(cloud)]
    samples = sample_farthest_points([clouds[i] for i in large], [int(counts[i]) for i in large], seed)
    for i, sample in zip(large, samples, strict=True):
        thinned[i] = sample
    return thinned
