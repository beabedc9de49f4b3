"""chamfer, chamfer_sq: the distance between the predicted and the true point cloud of each frame, without point correspondence.

Formula:    mean_v mean_n [ mean_p min_x |sP - X| + mean_x min_p |sP - X| ], metres; chamfer_sq: the same of |sP - X|^2, m^2.
            Both clouds are first thinned to min(|P|, |X|) points, X to no fewer than |X| / 2 (``cloud_distance``).
Points:     P predicted, X true, camera space, metres; unpaired (point maps: as sampled at the true points' pixels); s the alignment's scale
            (``alignment``).
Counted:    all valid predicted points; true points visible in the view in frame 0 and in frame n (``TrueTracks.mask``).
Missing:    a frame without predicted points is compared with a single point at the camera's centre.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from hoibench.clip import PARTS, Array, check_shape
from hoibench.metrics.aligned_motion import AlignedMotion, align_motion, group_by_view
from hoibench.metrics.case import Case
from hoibench.metrics.cloud_distance import CloudDistances, compare_clouds
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import Means, PointSet, check_points, mean_of_means

Power = Literal["linear", "squared"]
GetCloud = Callable[[int, int], Array]
"""Returns the points (K', 3) of a view and a frame, camera space, metres."""


def chamfer(pred: Array, truth: Array, mask: Array, valid: Array | None = None, seed: int = 0) -> float:
    """Return the Chamfer distance of predicted points p and true points x, metres: mean_v mean_n [ mean_p min_x |p - x| + mean_x min_p |p - x| ].

    If counts differ, the larger cloud is thinned to the smaller count; the truth keeps at least half of its points (``cloud_distance``).

    Args:
        pred: (V, N, K', 3) camera-space points, metres, already aligned, in any order.
        truth: (V, N, K, 3) camera-space points, metres.
        mask: (V, N, K) bool, the true points that count; frames without such points are dropped.
        valid: (V, N, K') bool, the predicted points that count.  None means that all count.
        seed: seed of the farthest-point sampling that thins the larger cloud.

    Raises:
        ValueError: views or frames differ, or a point that counts is not finite.
        Undefined: ``mask`` is empty.

    Source: the unsquared sum of both means of point-cloud-utils (fwilliams/point-cloud-utils:point_cloud_utils/__init__.py).

    >>> truth = np.array([[[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]]])  # one view, one frame, two points
    >>> pred = truth[:, :, ::-1] + np.array([0.0, 0.0, 0.1])  # another order, 10 cm off
    >>> round(chamfer(pred, truth, np.ones((1, 1, 2), dtype=bool)), 6)
    0.2
    """
    return _compare_arrays(pred, truth, mask, valid, seed).means("linear").value


def chamfer_sq(pred: Array, truth: Array, mask: Array, valid: Array | None = None, seed: int = 0) -> float:
    """Return the squared Chamfer distance, m^2: as ``chamfer``, with |p - x|^2 for |p - x|, as in PyTorch3D (pytorch3d/loss/chamfer.py).

    >>> truth = np.array([[[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]]])
    >>> pred = truth[:, :, ::-1] + np.array([0.0, 0.0, 0.1])
    >>> round(chamfer_sq(pred, truth, np.ones((1, 1, 2), dtype=bool)), 6)
    0.02
    """
    return _compare_arrays(pred, truth, mask, valid, seed).means("squared").value


@dataclass(frozen=True, eq=False)
class FrameDistances:
    """Cloud distances of the frames of a clip that have true points.

    Attributes:
        scored: (V, N) bool, true for frames with true points.
        distances: the distances of these frames, by view, then frame.
    """

    scored: Array
    distances: CloudDistances

    def means(self, power: Power, half: int | None = None) -> Means:
        """Return the mean over frames, then views, of accuracy + completeness, or of one ``half``: 0 accuracy, 1 completeness.

        The unit is metres for power ``linear`` and m^2 for ``squared``.
        """
        halves: Array = self.distances.linear if power == "linear" else self.distances.squared
        return self._means(halves.sum(axis=1) if half is None else halves[:, half])

    def floor(self, power: Power) -> float:
        """Return the mean distance from the truth, thinned to the number of predicted points, to the complete truth; too few points cause it."""
        return self._means(self.distances.floor[:, 0 if power == "linear" else 1]).value

    def _means(self, values: Array) -> Means:
        table = np.zeros(self.scored.shape)
        table[self.scored] = values
        return mean_of_means(table[..., None], self.scored[..., None])


def _compare_arrays(pred: Array, truth: Array, mask: Array, valid: Array | None, seed: int) -> FrameDistances:
    true_points, points = check_points("truth", truth, mask), check_points("pred", pred, valid)
    check_shape("pred", pred, (*true_points.valid.shape[:2], "K'", 3))
    return compare_clips([(_valid_points(points), true_points)], seed)[0]


def _valid_points(points: PointSet) -> GetCloud:
    return lambda v, n: points.xyz[v, n][points.valid[v, n]]


def compare_clips(pairs: Sequence[tuple[GetCloud, PointSet]], seed: int) -> list[FrameDistances]:
    """Return the cloud distances of each (prediction, truth) pair, frame by frame; ``seed`` is that of the thinning.

    The frames of all pairs are computed as one batch.
    """
    scored: list[Array] = [np.any(truth.valid, axis=-1) for _, truth in pairs]
    frames = [(p, v, n) for p, table in enumerate(scored) for v, n in np.argwhere(table)]
    distances = compare_clouds(
        [pairs[p][0](v, n) for p, v, n in frames],
        [_valid_points(pairs[p][1])(v, n) for p, v, n in frames],
        seed,
    )
    ends = np.cumsum([0, *(int(table.sum()) for table in scored)])
    return [
        FrameDistances(table, distances[start:stop])
        for table, start, stop in zip(scored, ends[:-1], ends[1:], strict=True)
    ]


def measure_chamfer(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer@1 (m; lower is better; 0 or more): one per view, one per part, then the clip's."""
    yield from _measure(case, "linear")


def measure_chamfer_sq(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer_sq@1 (m²; lower is better; 0 or more): one per view, one per part, then the clip's."""
    yield from _measure(case, "squared")


def _measure(case: Case, power: Power) -> Iterator[Measurement]:
    motion = align_motion(case)
    clip = case.memoize("chamfer", lambda: _compare_case(case, motion))
    means, groups = clip.all_points.means(power), group_by_view(motion)
    for v, view in enumerate(groups.names):
        value = float(means.groups[v]) if means.scored[v] else "no true point is visible in this view"
        counts: dict[str, Any] = {"n_scored": int(means.scored[v]), "n_expected": means.frames}
        yield motion.measurement_or_undefined(value, view=view, coverage=groups.coverage(v), **counts)
    for name, frames in clip.parts.items():
        part = frames.means(power) if frames.scored.any() else None
        yield motion.measurement_or_undefined(
            part.value if part else "no true point of this part is visible",
            part=name,
            n_scored=part.n_scored if part else 0,
            n_expected=means.n_expected,
        )
    details = {
        "accuracy": clip.all_points.means(power, half=0).value,
        "completeness": clip.all_points.means(power, half=1).value,
        "frames_thinned": int(clip.all_points.distances.thinned.sum()),
        "frames_empty": int(clip.all_points.distances.empty.sum()),
        "resampling_floor": clip.all_points.floor(power),
    }
    if clip.paired_truth is not None:
        details["pairing_floor"] = clip.paired_truth.means(power).value
    counts = {"n_scored": means.n_scored, "n_expected": means.n_expected}
    yield motion.measurement(means.value, coverage=groups.coverage(), details=details, **counts)


@dataclass(frozen=True, eq=False)
class _ClipDistances:
    """Distances of one prediction.

    Attributes:
        all_points: of all points.
        parts: of each part (hand or object), by name.
        paired_truth: for point maps, the distances of a perfect method's samples; else None.
    """

    all_points: FrameDistances
    parts: Mapping[str, FrameDistances]
    paired_truth: FrameDistances | None


def _compare_case(case: Case, motion: AlignedMotion) -> _ClipDistances:
    truth = motion.truth
    true_points = PointSet(truth.points, truth.mask)
    pairs = [(_predicted_clouds(case, motion, None), true_points)]
    pairs += [
        (_predicted_clouds(case, motion, part), replace(true_points, valid=truth.mask & (truth.part == part)))
        for part in range(len(PARTS))
    ]
    # Tracks are compared unpaired; samples of a point map exist only through the pairing, and have its floor.
    paired_truth = motion.paired_truth if case.pairing == "oracle-projection" else None
    if paired_truth is not None:
        pairs.append((_valid_points(paired_truth), true_points))
    frames = compare_clips(pairs, case.seed)
    parts = dict(zip(PARTS, frames[1 : 1 + len(PARTS)], strict=True))
    return _ClipDistances(frames[0], parts, None if paired_truth is None else frames[-1])


def _predicted_clouds(case: Case, motion: AlignedMotion, part: int | None) -> GetCloud:
    """Return a function from (view, frame) to the method's valid points, (K', 3) metres, of one part (an index into ``PARTS``) or of all.

    Tracks are in the method's own order; of point maps, these are the samples at the true points' pixels.
    """
    tracks, valid = case.prediction.tracks, case.prediction.valid
    if tracks is None or case.pairing == "oracle-projection":
        tracks, valid, scales = motion.pred.xyz, motion.pred.valid, np.ones_like(motion.scales)
    else:
        scales = motion.scales
    member = np.ones((len(tracks), tracks.shape[2]), dtype=bool) if part is None else _is_in_part(motion, tracks, part)

    def cloud(v: int, n: int) -> Array:
        chosen = member[v] if valid is None else member[v] & valid[v, n]
        points: Array = tracks[v, n][chosen].astype(np.float64) * scales[v]
        return points

    return cloud


def _is_in_part(motion: AlignedMotion, tracks: Array, part: int) -> Array:
    """Return (V, K') bool, true for the predicted tracks that are paired with a true point of the part (an index into ``PARTS``)."""
    of_part = motion.truth.part == part
    if motion.track_index is None:
        return np.broadcast_to(of_part, (len(tracks), tracks.shape[2]))
    members = np.zeros((len(tracks), tracks.shape[2]), dtype=bool)
    for v, index in enumerate(motion.track_index):
        members[v, index[of_part & (index >= 0)]] = True
    return members
