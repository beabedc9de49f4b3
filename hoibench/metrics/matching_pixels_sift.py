"""Matching pixels with SIFT: the entries of its cards."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.case import Case
from hoibench.metrics.matching_pixels import absolute, dynamic, relative
from hoibench.metrics.outcome import Measurement


def measure(case: Case) -> Iterator[Measurement]:
    """matching_pixels/sift-mnn."""
    return absolute(case, Sift())


def measure_rel(case: Case) -> Iterator[Measurement]:
    """matching_pixels_rel/sift-mnn."""
    return relative(case, Sift())


def measure_dyn(case: Case) -> Iterator[Measurement]:
    """matching_pixels_dyn/sift-mnn."""
    return dynamic(case, Sift())
