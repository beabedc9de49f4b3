"""Matching pixels with ALIKED: the entries of its cards, apart from SIFT's since they load torch."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.metrics.backbones.aliked import Aliked, load_aliked
from hoibench.metrics.case import Case
from hoibench.metrics.matching_pixels import absolute, dynamic, relative
from hoibench.metrics.outcome import Measurement, Unavailable
from hoibench.weights import WeightsMissing


def measure(case: Case) -> Iterator[Measurement]:
    """matching_pixels/aliked-mnn."""
    return absolute(case, _aliked(case))


def measure_rel(case: Case) -> Iterator[Measurement]:
    """matching_pixels_rel/aliked-mnn."""
    return relative(case, _aliked(case))


def measure_dyn(case: Case) -> Iterator[Measurement]:
    """matching_pixels_dyn/aliked-mnn."""
    return dynamic(case, _aliked(case))


def _aliked(case: Case) -> Aliked:
    try:
        return load_aliked(case.device, case.weights)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error
