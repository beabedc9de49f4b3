"""A case's motion: the prediction paired with the truth and aligned to it, once for all motion metrics, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hoibench.clip import Array
from hoibench.metrics.alignment import ALIGNMENTS, fit_scales
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, NotApplicable
from hoibench.metrics.pairing import pair
from hoibench.metrics.point_sets import PointSet, mean_of_means
from hoibench.metrics.true_tracks import TrueTracks, build_true_tracks

PointError = Callable[[PointSet], Array]
"""Error of each answer, (G, N, K) over views or pairs of views, where a missing answer already has its penalty."""


@dataclass(frozen=True, eq=False)
class AlignedMotion:
    """A prediction against the truth, camera space, metres.

    Attributes:
        truth: the truth.
        answer: s P, (V, N, K, 3), in the truth's order.
        floor: the truth through the same pairing; None for query pairing, which loses nothing.
        index: (V, K) predicted track of each true point for anchor pairing, else None.
        scales: (V,) the factor s of each view.
        pairing, alignment: how, as the rows say it.
    """

    truth: TrueTracks
    answer: PointSet
    floor: PointSet | None
    index: Array | None
    scales: Array
    pairing: str
    alignment: str

    def row(
        self,
        value: float | None,
        *,
        view: str | None = None,
        pair: str | None = None,
        part: str | None = None,
        **rest: Any,
    ) -> Measurement:
        """A measurement with this motion's pairing, alignment and scale: the clip's headline, or a part of it."""
        scale = self._scale(view)
        if scale is None and pair is None and part is None:
            scales = dict(zip(self.truth.views, self.scales.tolist(), strict=True))
            rest["details"] = {**rest.get("details", {}), "scales": scales}
        return Measurement(
            value, view=view, pair=pair, part=part, pairing=self.pairing, alignment=self.alignment, scale=scale, **rest
        )

    def _scale(self, view: str | None) -> float | None:
        """The factor behind a row; None where each view has its own."""
        if self.alignment != "per_view":
            return float(self.scales[0])
        return None if view is None else float(self.scales[self.truth.views.index(view)])

    def row_or_reason(self, value: float | str, **rest: Any) -> Measurement:
        """A part of the headline, whose ``value`` may be the text that says why the truth leaves it undefined."""
        if isinstance(value, str):
            return self.row(None, status="undefined", reason=value, **rest)
        return self.row(value, **rest)


def align_motion(case: Case) -> AlignedMotion:
    """The case's motion, made once.

    Raises:
        NotApplicable: prediction or clip lack what motion metrics need.
        Failed: the prediction cannot be paired or aligned.
        Undefined: the truth is nowhere visible.
    """
    return case.memoize("motion", lambda: _make(case))


def _make(case: Case) -> AlignedMotion:
    truth = case.memoize_for_clip("truth", lambda: build_true_tracks(case.clip))
    paired = pair(case.prediction, truth, case.pairing)
    scale = case.prediction.scale
    scales = fit_scales(scale, paired.answer.xyz, truth.points, truth.mask, paired.answer.valid)
    return AlignedMotion(
        truth=truth,
        answer=paired.answer.scaled(scales),
        floor=paired.floor,
        index=paired.index,
        scales=scales,
        pairing=case.pairing,
        alignment=ALIGNMENTS[scale],
    )


@dataclass(frozen=True, eq=False)
class PointGroups:
    """The sets over which a metric takes its mean of means.

    Attributes:
        kind: ``view`` or ``pair``, the row's field that holds the name.
        names: of the G groups.
        mask: (G, N, K) bool, the truth's points that count.
        covered: (G, N, K) bool, those that have an answer.
    """

    kind: str
    names: tuple[str, ...]
    mask: Array
    covered: Array

    def coverage(self, group: int | None = None) -> float | None:
        """Share of the points that count, of one group or of all, that have an answer; None where no point counts."""
        chosen = slice(None) if group is None else group
        expected = int(self.mask[chosen].sum())
        return int((self.mask & self.covered)[chosen].sum()) / expected if expected else None


def group_by_view(motion: AlignedMotion) -> PointGroups:
    """Every view, its points visible in frame 0 and now."""
    return PointGroups("view", motion.truth.views, motion.truth.mask, motion.answer.valid)


def group_by_view_with_hidden(motion: AlignedMotion) -> PointGroups:
    """Every view, its points visible in frame 0, in all frames that recorded them: hidden ones too.

    Raises:
        NotApplicable: the method gives no point where the truth is hidden.
    """
    truth = motion.truth
    asked = truth.seen_first & truth.recorded
    if not (motion.answer.valid & asked & ~truth.visible).any():
        raise NotApplicable("the method gives no point where the truth is hidden")
    return PointGroups("view", truth.views, asked, motion.answer.valid)


def measure_groups(
    motion: AlignedMotion, grain: PointGroups, error: PointError, **details: Any
) -> Iterator[Measurement]:
    """Rows of a mean of means: every view or pair, then the clip; ``details.pairing_floor`` is the truth's own value."""
    means = mean_of_means(error(motion.answer), grain.mask)
    if motion.floor is not None:
        details["pairing_floor"] = mean_of_means(error(motion.floor), grain.mask).value
    for g, name in enumerate(grain.names):
        value = float(means.groups[g]) if means.scored[g] else f"no true point counts in this {grain.kind}"
        counts: dict[str, Any] = {
            "n_scored": int(means.scored[g]),
            "n_expected": means.frames,
            "coverage": grain.coverage(g),
        }
        yield motion.row_or_reason(value, **{grain.kind: name}, **counts)
    yield motion.row(
        means.value,
        n_scored=means.n_scored,
        n_expected=means.n_expected,
        coverage=grain.coverage(),
        details=details,
    )
