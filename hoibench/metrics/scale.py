"""scale@1: the factor that a method with metric output would have needed."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.alignment import fit_scale
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, Measurement, NotApplicable, Undefined


def measure_scale(case: Case) -> Iterator[Measurement]:
    """scale@1: the least-squares factor a view, then one for the clip; no other row applies it.

    Raises:
        NotApplicable: the method declares that its unit is free.
        Undefined: no positive factor fits, or too few points.
    """
    if case.prediction.scale != "metric":
        raise NotApplicable(
            f"the method declares its scale {case.prediction.scale}: its unit is free, so no factor is right"
        )
    motion = align_motion(case)
    X, both = motion.truth.points, motion.truth.mask & motion.answer.valid
    for v, view in enumerate(motion.truth.views):
        yield motion.row_or_reason(_scale_or_reason(motion.answer.xyz[v], X[v], both[v]), view=view)
    headline = _scale_or_reason(motion.answer.xyz, X, both)
    if isinstance(headline, str):
        raise Undefined(headline)
    yield motion.row(headline)


def _scale_or_reason(pred: Array, truth: Array, mask: Array) -> float | str:
    try:
        return fit_scale(pred, truth, mask)
    except Failed as failure:
        return failure.reason
