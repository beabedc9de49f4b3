"""chamfer, chamfer_sq: the distance between the predicted and the true point cloud of each frame, without point correspondence.

Formula:    mean_v mean_n min(D, [ mean_p min_x |sP - X| + mean_{x in m} min_p |sP - X| ] / coverage), metres; chamfer_sq: the same of |sP - X|^2 and
            D^2, m^2.  The first mean is accuracy, to all recorded true points, seen or hidden; the second is completeness, of the points that count.
            chamfer_paper, chamfer_paper_sq: mean_v mean_n [ mean_p min_x |sP - X| + mean_x min_p |sP - X| ] over all recorded true points.
Points:     P predicted, X true, camera space, metres; unpaired (point maps: as sampled at the true points' pixels); s the alignment's scale
            (``alignment``); D the RMS distance of all true points to their centroid (``scene_size``).
Counted:    all valid predicted points; completeness: true points visible in the view in frame 0 and in frame n (``TrueTracks.mask``).
Drawn:      where predicted points outnumber the recorded ones, completeness is the mean over 5 draws of as many (``cloud_distance``).
Missing:    the sum is divided by the coverage, the share of the true points that count with a prediction; D in a frame without predictions.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hoibench.clip import PARTS, Array, check_mask, check_shape
from hoibench.metrics.aligned_motion import AlignedMotion, align_motion, group_by_view
from hoibench.metrics.case import Case
from hoibench.metrics.cloud_distance import Clouds, FrameDistances, GetCloud, Power, compare_clips, valid_points
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import PointSet, check_points
from hoibench.metrics.true_tracks import TrueTracks


def chamfer(
    pred: Array,
    truth: Array,
    mask: Array,
    size: float,
    valid: Array | None = None,
    recorded: Array | None = None,
    coverage: Array | None = None,
    seed: int = 0,
    power: Power = 1,
) -> float:
    """Return the Chamfer distance of predicted points p and true points x, metres: (mean_p min_x |p - x| + mean_x min_p |p - x|) / coverage.

    It is averaged over frames, then views.  The second mean is over the true points of ``mask``; where predicted points outnumber the recorded
    ones, it is the mean over 5 draws of as many predicted points as there are recorded ones.  No frame exceeds ``size``.

    Args:
        pred: (V, N, K', 3) camera-space points, metres, already aligned, in any order.
        truth: (V, N, K, 3) camera-space points, metres.
        mask: (V, N, K) bool, the true points that count; frames without such points are dropped.
        size: D, the scene's size in metres (``true_tracks.scene_size``), which a frame without predictions scores.
        valid: (V, N, K') bool, the predicted points that count.  None means that all count.
        recorded: (V, N, K) bool, the true points that predicted points may be near, hidden ones included.  None means that all are recorded.
        coverage: (V, N) share of the true points that count with a prediction, 0 to 1.  None means 1 in every frame.
        seed: seed of the draws.
        power: 2 for the squared distance, m^2: |p - x|^2 for each distance and ``size``^2 for ``size``.

    Raises:
        ValueError: views or frames differ, or a point that counts is not finite.
        Undefined: ``mask`` is empty.

    Source: the sum of both means, of distances as in point-cloud-utils (fwilliams/point-cloud-utils:point_cloud_utils/__init__.py), or of their
        squares as in PyTorch3D (facebookresearch/pytorch3d:pytorch3d/loss/chamfer.py).

    >>> truth = np.array([[[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]]])  # one view, one frame, two points
    >>> pred = truth[:, :, ::-1] + np.array([0.0, 0.0, 0.1])  # another order, 10 cm off
    >>> mask = np.ones((1, 1, 2), dtype=bool)
    >>> round(chamfer(pred, truth, mask, size=1.0), 6)
    0.2
    >>> round(chamfer(pred, truth, mask, size=1.0, coverage=np.array([[0.5]])), 6)
    0.4
    >>> round(chamfer(pred, truth, mask, size=1.0, power=2), 6)
    0.02
    """
    return _compare_arrays(pred, truth, mask, size, valid, recorded, coverage, seed).means(power).value


def chamfer_paper(
    pred: Array, truth: Array, size: float, valid: Array | None = None, recorded: Array | None = None, power: Power = 1
) -> float:
    """Return the plain Chamfer distance, mean_p min_x |p - x| + mean_x min_p |p - x| over all recorded true points, hidden ones included.

    Arguments and errors as ``chamfer``; ``power`` 2 squares the distances.  Nothing is drawn or divided, and no frame is bounded; only a frame
    without predictions scores ``size``.

    >>> truth = np.array([[[[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]]])
    >>> round(chamfer_paper(truth[:, :, :1], truth, size=1.0), 6)  # one of two points
    0.25
    """
    nothing = np.zeros(truth.shape[:3], dtype=bool)
    return _compare_arrays(pred, truth, nothing, size, valid, recorded, None, 0).plain_means(power).value


def _compare_arrays(
    pred: Array,
    truth: Array,
    mask: Array,
    size: float,
    valid: Array | None,
    recorded: Array | None,
    coverage: Array | None,
    seed: int,
) -> FrameDistances:
    true_points, points = check_points("truth", truth, recorded), check_points("pred", pred, valid)
    check_mask("mask", mask, true_points.valid.shape)
    check_shape("pred", pred, (*mask.shape[:2], "K'", 3))
    coverage = np.ones(mask.shape[:2]) if coverage is None else coverage
    check_shape("coverage", coverage, mask.shape[:2])
    return compare_clips([Clouds(valid_points(points), true_points, mask, coverage)], size, seed)[0]


def measure_chamfer(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer@2 (m; lower is better; 0 or more): one per view, one per part, then the clip's."""
    yield from _measure(case, 1)


def measure_chamfer_sq(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer_sq@2 (m²; lower is better; 0 or more): one per view, one per part, then the clip's."""
    yield from _measure(case, 2)


def measure_chamfer_paper(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer_paper@1 (m; lower is better; 0 or more): one per view, then the clip's."""
    yield from _measure_paper(case, 1)


def measure_chamfer_paper_sq(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of chamfer_paper_sq@1 (m²; lower is better; 0 or more): one per view, then the clip's."""
    yield from _measure_paper(case, 2)


def _measure(case: Case, power: Power) -> Iterator[Measurement]:
    motion, clip = align_motion(case), _compare_case(case)
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
        "accuracy": clip.all_points.one_way_mean(power, 0),
        "completeness": clip.all_points.one_way_mean(power, 1),
        "frames_drawn": int(clip.all_points.distances.drawn.sum()),
        "frames_empty": int(np.isinf(clip.all_points.distances.linear[:, 0]).sum()),
    }
    if clip.paired_truth is not None:
        details["pairing_floor"] = clip.paired_truth.means(power).value
    yield motion.measurement(
        means.value,
        n_scored=means.n_scored,
        n_expected=means.n_expected,
        coverage=groups.coverage(),
        cap=clip.all_points.size**power,
        details=details,
    )


def _measure_paper(case: Case, power: Power) -> Iterator[Measurement]:
    motion, clip = align_motion(case), _compare_case(case)
    means = clip.all_points.plain_means(power)
    for v, view in enumerate(motion.truth.views):
        yield motion.measurement(
            float(means.groups[v]), view=view, n_scored=int(means.scored[v]), n_expected=means.frames
        )
    yield motion.measurement(
        means.value, n_scored=means.n_scored, n_expected=means.n_expected, cap=clip.all_points.size**power
    )


@dataclass(frozen=True, eq=False)
class _ClipDistances:
    """Distances of one prediction: of all points, of each part (hand or object) by name, and, for point maps, of a perfect method's samples."""

    all_points: FrameDistances
    parts: Mapping[str, FrameDistances]
    paired_truth: FrameDistances | None


def _compare_case(case: Case) -> _ClipDistances:
    return case.memoize("chamfer", lambda: _compare_motion(case, align_motion(case)))


def _compare_motion(case: Case, motion: AlignedMotion) -> _ClipDistances:
    truth = motion.truth
    everything = np.ones(len(truth.part), dtype=bool)
    clips = [_clouds(truth, _predicted_clouds(case, motion, None), motion.pred.valid, everything)]
    clips += [
        _clouds(truth, _predicted_clouds(case, motion, part), motion.pred.valid, truth.part == part)
        for part in range(len(PARTS))
    ]
    # Tracks are compared unpaired; samples of a point map exist only through the pairing, and have its floor.
    paired_truth = motion.paired_truth if case.pairing == "oracle-projection" else None
    if paired_truth is not None:
        clips.append(_clouds(truth, valid_points(paired_truth), paired_truth.valid, everything))
    frames = compare_clips(clips, truth.scene_size, case.seed)
    parts = dict(zip(PARTS, frames[1 : 1 + len(PARTS)], strict=True))
    return _ClipDistances(frames[0], parts, None if paired_truth is None else frames[-1])


def _clouds(truth: TrueTracks, pred: GetCloud, covered: Array, of_part: Array) -> Clouds:
    """Return the points to compare: of the true ones, ``covered``, (V, N, K), have a prediction, and ``of_part``, (K,), belong to the part."""
    mask = truth.mask & of_part
    expected, found = mask.sum(axis=-1), (mask & covered).sum(axis=-1)
    coverage = np.divide(found, expected, out=np.ones(expected.shape), where=expected > 0)
    recorded = np.broadcast_to(truth.recorded & of_part, mask.shape)
    return Clouds(pred, PointSet(truth.points, recorded), mask, coverage)


def _predicted_clouds(case: Case, motion: AlignedMotion, part: int | None) -> GetCloud:
    """Return a function from (view, frame) to the method's valid points, (K', 3) metres, of one part (an index into ``PARTS``) or of all.

    Tracks are in the method's own order; of point maps, these are the samples at the true points' pixels.
    """
    tracks, valid = case.prediction.tracks, case.prediction.valid
    align: Callable[[Array, int], Array] = motion.alignment.apply_to_view
    if tracks is None or case.pairing == "oracle-projection":
        tracks, valid, align = motion.pred.xyz, motion.pred.valid, lambda points, v: points
    member = np.ones((len(tracks), tracks.shape[2]), dtype=bool) if part is None else _is_in_part(motion, tracks, part)

    def cloud(v: int, n: int) -> Array:
        chosen = member[v] if valid is None else member[v] & valid[v, n]
        return align(tracks[v, n][chosen].astype(np.float64), v)

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
