"""chamfer, chamfer_sq: the distance between the predicted and the true cloud of each frame, whatever answers for what."""

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
Clouds = Callable[[int, int], Array]
"""The predicted points (K', 3) of a view and a frame, camera space, metres."""


def chamfer(pred: Array, truth: Array, mask: Array, valid: Array | None = None, seed: int = 0) -> float:
    """Chamfer distance, m: mean_v mean_n [ mean_p min_x |p - x| + mean_x min_p |p - x| ].

    Where counts differ, the larger cloud is thinned to the smaller count, the truth at most to half (``cloud_distance``).

    Args:
        pred: (V, N, K', 3) camera-space points, metres, already aligned, in any order.
        truth: (V, N, K, 3) camera-space points, metres.
        mask: (V, N, K) bool, the truth's points that count; frames without any are dropped.
        valid: (V, N, K') bool, the predicted points that count.  None means all.
        seed: of the farthest-point sampling that thins the larger cloud.

    Raises:
        ValueError: views or frames differ, or a point that counts is not finite.
        Undefined: ``mask`` is empty.

    Source: the unsquared sum of both means of point-cloud-utils (fwilliams/point-cloud-utils:point_cloud_utils/__init__.py).
    """
    return _frames(pred, truth, mask, valid, seed).means("linear").value


def chamfer_sq(pred: Array, truth: Array, mask: Array, valid: Array | None = None, seed: int = 0) -> float:
    """Squared Chamfer distance, m^2: ``chamfer`` of |p - x|^2, as PyTorch3D has it (pytorch3d/loss/chamfer.py)."""
    return _frames(pred, truth, mask, valid, seed).means("squared").value


@dataclass(frozen=True, eq=False)
class CloudFrames:
    """Distances of the frames of a clip that have true points.

    Attributes:
        scored: (V, N) bool, the frames that have.
        distances: of these frames, in order.
    """

    scored: Array
    distances: CloudDistances

    def means(self, power: Power, half: int | None = None) -> Means:
        """Means of the sum of both halves, or of one: 0 accuracy, 1 completeness."""
        halves: Array = self.distances.linear if power == "linear" else self.distances.squared
        return self._means(halves.sum(axis=1) if half is None else halves[:, half])

    def floor(self, power: Power) -> float:
        """What thinning alone costs: the whole truth against its thinned self."""
        return self._means(self.distances.floor[:, 0 if power == "linear" else 1]).value

    def _means(self, values: Array) -> Means:
        table = np.zeros(self.scored.shape)
        table[self.scored] = values
        return mean_of_means(table[..., None], self.scored[..., None])


def _frames(pred: Array, truth: Array, mask: Array, valid: Array | None, seed: int) -> CloudFrames:
    known, answer = check_points("truth", truth, mask), check_points("pred", pred, valid)
    check_shape("pred", pred, (*known.valid.shape[:2], "K'", 3))
    return compare_clips([(_clouds_of(answer), known)], seed)[0]


def _clouds_of(points: PointSet) -> Clouds:
    return lambda v, n: points.xyz[v, n][points.valid[v, n]]


def compare_clips(sides: Sequence[tuple[Clouds, PointSet]], seed: int) -> list[CloudFrames]:
    """Compare each predicted with its true clip, frame by frame, the frames of all of them in one go."""
    scored: list[Array] = [np.any(truth.valid, axis=-1) for _, truth in sides]
    frames = [(s, v, n) for s, table in enumerate(scored) for v, n in np.argwhere(table)]
    all_of_them = compare_clouds(
        [sides[s][0](v, n) for s, v, n in frames],
        [_clouds_of(sides[s][1])(v, n) for s, v, n in frames],
        seed,
    )
    ends = np.cumsum([0, *(int(table.sum()) for table in scored)])
    return [
        CloudFrames(table, _between(all_of_them, start, stop))
        for table, start, stop in zip(scored, ends[:-1], ends[1:], strict=True)
    ]


def _between(distances: CloudDistances, start: int, stop: int) -> CloudDistances:
    return CloudDistances(**{name: array[start:stop] for name, array in vars(distances).items()})


def measure_chamfer(case: Case) -> Iterator[Measurement]:
    """chamfer@1: views, parts, then the clip."""
    yield from _report(case, "linear")


def measure_chamfer_sq(case: Case) -> Iterator[Measurement]:
    """chamfer_sq@1: views, parts, then the clip."""
    yield from _report(case, "squared")


def _report(case: Case, power: Power) -> Iterator[Measurement]:
    motion = align_motion(case)
    clip = case.memoize("chamfer", lambda: _compare_case(case, motion))
    means, grain = clip.whole.means(power), group_by_view(motion)
    for v, view in enumerate(grain.names):
        value = float(means.groups[v]) if means.scored[v] else "no true point counts in this view"
        counts: dict[str, Any] = {"n_scored": int(means.scored[v]), "n_expected": means.frames}
        yield motion.row_or_reason(value, view=view, coverage=grain.coverage(v), **counts)
    for name, frames in clip.parts.items():
        part = frames.means(power) if frames.scored.any() else None
        yield motion.row_or_reason(
            part.value if part else "no true point of this part counts",
            part=name,
            n_scored=part.n_scored if part else 0,
            n_expected=means.n_expected,
        )
    details = {
        "accuracy": clip.whole.means(power, half=0).value,
        "completeness": clip.whole.means(power, half=1).value,
        "frames_thinned": int(clip.whole.distances.thinned.sum()),
        "frames_empty": int(clip.whole.distances.empty.sum()),
        "resampling_floor": clip.whole.floor(power),
    }
    if clip.floor is not None:
        details["pairing_floor"] = clip.floor.means(power).value
    counts = {"n_scored": means.n_scored, "n_expected": means.n_expected}
    yield motion.row(means.value, coverage=grain.coverage(), details=details, **counts)


@dataclass(frozen=True, eq=False)
class _ClipChamfer:
    """A case's comparisons: all points, each part's, and the truth through the pairing where point maps were sampled."""

    whole: CloudFrames
    parts: Mapping[str, CloudFrames]
    floor: CloudFrames | None


def _compare_case(case: Case, motion: AlignedMotion) -> _ClipChamfer:
    truth = motion.truth
    known = PointSet(truth.points, truth.mask)
    sides = [(_predicted_clouds(case, motion, None), known)]
    sides += [
        (_predicted_clouds(case, motion, part), replace(known, valid=truth.mask & (truth.part == part)))
        for part in range(len(PARTS))
    ]
    # Tracks are compared unpaired; samples of a point map exist only through the pairing, and have its floor.
    floor = motion.floor if case.pairing == "oracle-projection" else None
    if floor is not None:
        sides.append((_clouds_of(floor), known))
    frames = compare_clips(sides, case.seed)
    parts = dict(zip(PARTS, frames[1 : 1 + len(PARTS)], strict=True))
    return _ClipChamfer(frames[0], parts, None if floor is None else frames[-1])


def _predicted_clouds(case: Case, motion: AlignedMotion, part: int | None) -> Clouds:
    """The method's own points that it marks valid, of one part or all; sampled ones where it gives point maps."""
    tracks, valid = case.prediction.tracks, case.prediction.valid
    if tracks is None or case.pairing == "oracle-projection":
        tracks, valid, scales = motion.answer.xyz, motion.answer.valid, np.ones_like(motion.scales)
    else:
        scales = motion.scales
    member = np.ones((len(tracks), tracks.shape[2]), dtype=bool) if part is None else _members(motion, tracks, part)

    def cloud(v: int, n: int) -> Array:
        chosen = member[v] if valid is None else member[v] & valid[v, n].astype(bool)
        points: Array = tracks[v, n][chosen].astype(np.float64) * scales[v]
        return points

    return cloud


def _members(motion: AlignedMotion, tracks: Array, part: int) -> Array:
    """(V, K') bool: the predicted tracks that answer for a true point of the part."""
    of_part = motion.truth.part == part
    if motion.index is None:
        return np.broadcast_to(of_part, (len(tracks), tracks.shape[2]))
    members = np.zeros((len(tracks), tracks.shape[2]), dtype=bool)
    for v, index in enumerate(motion.index):
        members[v, index[of_part & (index >= 0)]] = True
    return members
