"""scale: the factor by which a method that declares metres would have to scale its points to fit the truth best.

Formula:    s = sum m<P, X> / sum m<P, P> over all views, frames and points that count and have a valid prediction (``alignment.fit_scale``).
Points:     P predicted, X true, camera space, metres; P in the order of X (``pairing``).
Alignment:  none; s is reported and not applied.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.alignment import fit_scale
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, Measurement, NotApplicable, Undefined


def measure_scale(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of scale@1 (no unit; not ranked; 0 or more): each view's factor, then the clip's.

    Raises:
        NotApplicable: the method does not declare metric output.
        Undefined: there are too few points, or the factor is not positive.
    """
    if case.prediction.scale != "metric":
        raise NotApplicable(
            f"the method declares its scale {case.prediction.scale}: its unit is arbitrary, so no factor is the right one"
        )
    motion = align_motion(case)
    X, both = motion.truth.points, motion.truth.mask & motion.pred.valid
    for v, view in enumerate(motion.truth.views):
        yield motion.measurement_or_undefined(_fit_or_reason(motion.pred.xyz[v], X[v], both[v]), view=view)
    headline = _fit_or_reason(motion.pred.xyz, X, both)
    if isinstance(headline, str):
        raise Undefined(headline)
    yield motion.measurement(headline)


def _fit_or_reason(pred: Array, truth: Array, mask: Array) -> float | str:
    try:
        return fit_scale(pred, truth, mask)
    except Failed as failure:
        return failure.reason
