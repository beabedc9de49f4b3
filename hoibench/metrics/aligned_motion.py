"""Aligned motion: a prediction paired with the truth and aligned with it, once for all motion metrics, and the measurements that these yield."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hoibench.clip import Array, Clip, Pairing, check_shape
from hoibench.metrics.alignment import Alignment, fit_alignment
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, NotApplicable, Undefined
from hoibench.metrics.pairing import pair_prediction
from hoibench.metrics.point_sets import Means, PointSet, mean_of_means
from hoibench.metrics.true_tracks import TrueTracks, build_true_tracks
from hoibench.predictions import read_prediction, trim_prediction

PointError = Callable[[PointSet], Array]
"""A function from predicted points to the error of each, (G, N, K) for G views or pairs of views; missing points get their error there."""


@dataclass(frozen=True, eq=False)
class AlignedMotion:
    """A prediction in the order of the true points and aligned with them, and the truth; camera space, metres.

    Attributes:
        truth: the true tracks.
        pred: s P + t, (V, N, K, 3), the predicted points in the truth's order, aligned.
        paired_truth: the points of a perfect method after the same pairing, see ``PairedPoints``; None for ``query`` pairing, which is exact.
        track_index: (V, K) index of each true point's predicted track for ``anchor`` pairing, -1 for none; else None.
        pairing: the kind of pairing: ``query``, ``anchor`` or ``oracle-projection``.
        alignment: the factor s and the shift t of each view.
    """

    truth: TrueTracks
    pred: PointSet
    paired_truth: PointSet | None
    track_index: Array | None
    pairing: str
    alignment: Alignment

    def measurement(
        self,
        value: float | None,
        *,
        view: str | None = None,
        pair: str | None = None,
        part: str | None = None,
        **columns: Any,
    ) -> Measurement:
        """Return a measurement of ``value`` with this motion's pairing, alignment and scale.

        It belongs to the whole clip, or to the given view, pair of views (``i|j``) or part; ``columns`` are further fields of ``Measurement``.
        """
        scale = self._scale(view)
        if scale is None and pair is None and part is None:
            fitted = {"scales": self.alignment.scales, "shifts": self.alignment.shifts}
            by_view = {
                name: dict(zip(self.truth.views, values.tolist(), strict=True))
                for name, values in fitted.items()
                if values is not None
            }
            columns["details"] = {**columns.get("details", {}), **by_view}
        return Measurement(
            value,
            view=view,
            pair=pair,
            part=part,
            pairing=self.pairing,
            alignment=self.alignment.kind,
            scale=scale,
            **columns,
        )

    def _scale(self, view: str | None) -> float | None:
        """Return the scale factor of a view, or of the clip if ``view`` is None; None for a clip whose views have different factors."""
        scales = self.alignment.scales
        if self.alignment.kind in ("none", "shared"):
            return float(scales[0])
        return None if view is None else float(scales[self.truth.views.index(view)])

    def measurement_or_undefined(self, value: float | str, **columns: Any) -> Measurement:
        """Return ``measurement(value)``; if ``value`` is a text, one with status ``undefined`` and this reason."""
        if isinstance(value, str):
            return self.measurement(None, status="undefined", reason=value, **columns)
        return self.measurement(value, **columns)


def align_motion(case: Case) -> AlignedMotion:
    """Return the prediction of a case (a prediction and its clip), paired with the true points and aligned with them; computed once per case.

    Raises:
        NotApplicable: the prediction or the clip lacks an input of the motion metrics.
        Failed: no scale can be fitted.
        Undefined: no true point is visible.
    """
    return case.memoize("motion", lambda: _align_motion(case))


def align_stored_prediction(
    folder: Path, clip: Clip, pairing: Pairing | None, clip_memo: dict[Hashable, Any]
) -> AlignedMotion:
    """Read the points of a stored prediction, and align them with the truth of its clip as its metrics do.

    Args:
        folder: the prediction's folder.
        clip: the clip as it was scored, from ``hoibench.clip_file.read_clip``.
        pairing: the pairing of the method's run record; None without points.
        clip_memo: results shared by the predictions of a clip, see ``Case``.

    Raises:
        FileNotFoundError, ValueError: the prediction is missing or damaged, or does not fit the clip.
        NoValue: see ``align_motion``.
    """
    stored = read_prediction(folder)
    if pairing is None or (stored.tracks is None and stored.points is None):
        raise NotApplicable("the method gives no points")
    prediction = trim_prediction(replace(stored, video=None), clip.frames)
    shapes = {"tracks": (len(clip.views), clip.frames, "K'", 3), "points": (len(clip.views), clip.frames, "h", "w", 3)}
    for name, shape in shapes.items():
        if (array := getattr(prediction, name)) is not None:
            check_shape(f"{folder}: {name}", array, shape)
    motion = align_motion(Case(prediction, clip, pairing, clip_memo=clip_memo))
    check_shape(f"{folder}: tracks", motion.pred.xyz, motion.truth.points.shape)
    return motion


def _align_motion(case: Case) -> AlignedMotion:
    truth = case.memoize_for_clip("truth", lambda: build_true_tracks(case.clip))
    if case.pairing == "oracle-projection":
        truth = truth.without_depth_edges()
        if not truth.mask.any():
            raise Undefined("every visible true point is at an edge of the true depth")
    paired = pair_prediction(case.prediction, truth, case.pairing)
    alignment = fit_alignment(case.prediction.scale, paired.pred.xyz, truth.points, truth.mask, paired.pred.valid)
    return AlignedMotion(
        truth=truth,
        pred=alignment.apply(paired.pred),
        paired_truth=paired.paired_truth,
        track_index=paired.track_index,
        pairing=case.pairing,
        alignment=alignment,
    )


@dataclass(frozen=True, eq=False)
class PointGroups:
    """Points grouped by view or by pair of views, for a mean over points, frames and groups.

    Attributes:
        kind: ``view`` or ``pair``: the field of ``Measurement`` with the group's name.
        names: names of the G groups.
        mask: (G, N, K) bool, the true points that count.
        covered: (G, N, K) bool, the points with a prediction.
    """

    kind: str
    names: tuple[str, ...]
    mask: Array
    covered: Array

    def coverage(self, group: int | None = None) -> float | None:
        """Return the share (0 to 1) of the true points that count, in one group or in all, that have a prediction; None if no point counts."""
        chosen = slice(None) if group is None else group
        expected = int(self.mask[chosen].sum())
        return int((self.mask & self.covered)[chosen].sum()) / expected if expected else None


def group_by_view(motion: AlignedMotion) -> PointGroups:
    """Return one group per view; a true point counts in a frame if the view sees it in that frame and in frame 0."""
    return PointGroups("view", motion.truth.views, motion.truth.mask, motion.pred.valid)


def group_by_view_with_hidden(motion: AlignedMotion) -> PointGroups:
    """Return one group per view; a true point that the view sees in frame 0 counts in every frame that recorded it, hidden or not.

    Raises:
        NotApplicable: the method predicts no hidden point.
    """
    truth = motion.truth
    mask = truth.visible_first & truth.recorded
    if not (motion.pred.valid & mask & ~truth.visible).any():
        raise NotApplicable("the method predicts no hidden points")
    return PointGroups("view", truth.views, mask, motion.pred.valid)


def measure_groups(
    motion: AlignedMotion,
    groups: PointGroups,
    error: PointError,
    *,
    cap: float | None = None,
    average: Callable[[Array, Array], Means] = mean_of_means,
    **details: Any,
) -> Iterator[Measurement]:
    """Yield the mean error of every group (view or pair of views), then of the clip.

    Args:
        motion: the aligned prediction and the truth.
        groups: the points that count in each group.
        error: computes the error of each point.
        cap: the value of a prediction without an answer, if the metric's card does not give it as a number.
        average: averages (G, N, K) errors under a mask.
        details: entries of the clip's ``details``.  Unless pairing is exact, ``pairing_floor`` is added: the error that the pairing alone causes.
    """
    means = average(error(motion.pred), groups.mask)
    if motion.paired_truth is not None:
        details["pairing_floor"] = average(error(motion.paired_truth), groups.mask).value
    for g, name in enumerate(groups.names):
        value = float(means.groups[g]) if means.scored[g] else f"no true point is visible in this {groups.kind}"
        counts: dict[str, Any] = {
            "n_scored": int(means.scored[g]),
            "n_expected": means.frames,
            "coverage": groups.coverage(g),
        }
        yield motion.measurement_or_undefined(value, **{groups.kind: name}, **counts)
    yield motion.measurement(
        means.value,
        n_scored=means.n_scored,
        n_expected=means.n_expected,
        coverage=groups.coverage(),
        cap=cap,
        details=details,
    )
