"""Distances between point clouds: exact nearest neighbours in both directions, frame by frame of a clip, and their means."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from hoibench.clip import Array
from hoibench.metrics.point_sets import Means, PointSet, mean_of_means

Power = Literal[1, 2]
"""The power of distances: 1 for chamfer, in metres, and 2 for chamfer_sq, in m^2."""
GetCloud = Callable[[int, int], Array]
"""Returns the points (K', 3) of a view and a frame, camera space, metres."""

DRAWS = 5
"""Number of random draws that completeness is averaged over where predicted points outnumber the true ones."""


@dataclass(frozen=True, eq=False)
class CloudDistances:
    """Distances of n pairs of clouds with predicted points p and true points x; indexing with a slice selects pairs.

    Attributes:
        linear: (n, 3) metres: mean_p min_x |p - x| (accuracy), mean_x min_p |p - x| over the true points that count (completeness; p drawn down to
            the number of true points), and the same over all true points with nothing drawn.  Infinite without predicted points.
        squared: (n, 3) m^2: the same means of |p - x|^2.
        drawn: (n,) bool, true if predicted points outnumber the true ones.
    """

    linear: Array
    squared: Array
    drawn: Array

    def __getitem__(self, pairs: slice) -> CloudDistances:
        return CloudDistances(**{name: array[pairs] for name, array in vars(self).items()})


def nearest_distances(points: Array, targets: Array) -> Array:
    """Return the distance from each of (a, 3) points to the nearest of (b, 3) targets, (a,): exact, float64; infinite if there are no targets.

    >>> nearest_distances(np.array([[0.0, 0, 0], [0, 3, 0]]), np.array([[1.0, 0, 0], [0, 2, 0]])).tolist()
    [1.0, 1.0]
    """
    return np.asarray(cKDTree(targets).query(points)[0])


def compare_clouds(
    pred: Sequence[Array], truth: Sequence[Array], counted: Sequence[Array], seed: int = 0
) -> CloudDistances:
    """Return the distances between predicted and true point clouds, pair by pair; one thread per core, since the search releases Python's lock (GIL).

    Completeness alone depends on the number of predicted points: more of them are nearer to any true point.  Where they outnumber the true points,
    it is the mean over 5 uniform draws of as many predicted points as there are true ones.

    Args:
        pred: (a_i, 3) each, metres; may be empty.
        truth: (b_i, 3) each, metres; never empty.
        counted: (b_i,) bool each, the true points that count for completeness.
        seed: seed of the draws.

    >>> truth = np.array([[0.0, 0, 1], [1, 0, 1]])
    >>> compare_clouds([truth[:1] + np.array([0.0, 0, 0.1])], [truth], [np.array([True, False])]).linear.round(3).tolist()
    [[0.1, 0.1, 0.552]]
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        means = list(pool.map(lambda p, x, m: _compare(p, x, m, seed), pred, truth, counted))
    table = np.array(means, dtype=float).reshape(-1, 3, 2)
    drawn = np.array([len(p) > len(x) for p, x in zip(pred, truth, strict=True)], dtype=bool)
    return CloudDistances(linear=table[..., 0], squared=table[..., 1], drawn=drawn)


def _compare(pred: Array, truth: Array, counted: Array, seed: int) -> list[tuple[float, float]]:
    """Return the means of the distances and of their squares: accuracy, completeness, completeness of all true points."""
    if not len(pred):
        return [(np.inf, np.inf)] * 3
    to_pred = nearest_distances(truth, pred)
    completeness = to_pred[counted]
    if len(pred) > len(truth):
        rng = np.random.default_rng(seed)
        draws = [rng.choice(len(pred), len(truth), replace=False) for _ in range(DRAWS)]
        completeness = np.concatenate([nearest_distances(truth[counted], pred[draw]) for draw in draws])
    return [_means(nearest_distances(pred, truth)), _means(completeness), _means(to_pred)]


def _means(distances: Array) -> tuple[float, float]:
    return (float(distances.mean()), float(np.square(distances).mean())) if len(distances) else (np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Clouds:
    """The predicted and the true points of a clip, to be compared frame by frame.

    Attributes:
        pred: returns the predicted points of a view and a frame.
        truth: the true points, valid where they are recorded.
        mask: (V, N, K) bool, the true points that count.
        coverage: (V, N) share of the true points that count with a prediction.
    """

    pred: GetCloud
    truth: PointSet
    mask: Array
    coverage: Array


@dataclass(frozen=True, eq=False)
class FrameDistances:
    """Cloud distances of the frames of a clip.

    Attributes:
        scored, recorded: (V, N) bool, true for frames with true points that count, and with recorded ones.
        coverage: (V, N) share of the true points that count with a prediction.
        size: D, the scene's size, metres.
        distances: the distances of the frames with recorded points, by view, then frame.
    """

    scored: Array
    recorded: Array
    coverage: Array
    size: float
    distances: CloudDistances

    def means(self, power: Power) -> Means:
        """Return the mean over frames, then views, of (accuracy + completeness) / coverage, at most D^power."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self._table(power)[..., :2].sum(axis=-1) / self.coverage
        return _mean(np.where(self.coverage > 0, np.minimum(values, self.size**power), self.size**power), self.scored)

    def one_way_mean(self, power: Power, index: Literal[0, 1]) -> float:
        """Return the mean accuracy (index 0) or completeness (1), each at most D^power."""
        return _mean(np.minimum(self._table(power)[..., index], self.size**power), self.scored).value

    def plain_means(self, power: Power) -> Means:
        """Return the mean of accuracy + completeness of all recorded points, unbounded; D^power in a frame without predictions."""
        values = self._table(power)[..., [0, 2]].sum(axis=-1)
        return _mean(np.where(np.isinf(values), self.size**power, values), self.recorded)

    def _table(self, power: Power) -> Array:
        table = np.full((*self.recorded.shape, 3), np.inf)
        table[self.recorded] = self.distances.linear if power == 1 else self.distances.squared
        return table


def _mean(values: Array, frames: Array) -> Means:
    return mean_of_means(values[..., None], frames[..., None])


def valid_points(points: PointSet) -> GetCloud:
    """Return a function from (view, frame) to the valid points, (K', 3)."""
    return lambda v, n: points.xyz[v, n][points.valid[v, n]]


def compare_clips(clips: Sequence[Clouds], size: float, seed: int) -> list[FrameDistances]:
    """Return the cloud distances of each clip, frame by frame; ``size`` is D and ``seed`` that of the draws.

    The frames of all clips are computed as one batch.
    """
    recorded: list[Array] = [np.any(clip.truth.valid, axis=-1) for clip in clips]
    frames = [(clip, v, n) for clip, table in zip(clips, recorded, strict=True) for v, n in np.argwhere(table)]
    distances = compare_clouds(
        [clip.pred(v, n) for clip, v, n in frames],
        [valid_points(clip.truth)(v, n) for clip, v, n in frames],
        [clip.mask[v, n][clip.truth.valid[v, n]] for clip, v, n in frames],
        seed,
    )
    ends = np.cumsum([0, *(int(table.sum()) for table in recorded)])
    return [
        FrameDistances(np.any(clip.mask, axis=-1), table, clip.coverage, size, distances[start:stop])
        for clip, table, start, stop in zip(clips, recorded, ends[:-1], ends[1:], strict=True)
    ]
