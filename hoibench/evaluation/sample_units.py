"""Random samples of a run's units for a verification: of every method on its own, so that many reference rows do not crowd out a method's."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hoibench.evaluation.unit import Unit

MIN_UNITS = 3
"""Smallest sample of a method's units; of a method with fewer units all are taken."""

REFERENCE_ROWS = "reference rows"
"""The name of the sample of all rows that are not of methods."""


@dataclass(frozen=True)
class Sample:
    """A sample of units of one method, or of all reference rows.

    Attributes:
        name: ``METHOD[+PRESET]``, or ``REFERENCE_ROWS``.
        units: the units.
        total: the number of units they are taken from.
    """

    name: str
    units: tuple[Unit, ...]
    total: int


def sample_units(units: Iterable[Unit], methods: Collection[str], share: float, seed: int) -> tuple[Sample, ...]:
    """Draw a share of the units of each method, at least ``MIN_UNITS`` if it has them, and the same share of all other units, at least one.

    Args:
        units: the units to draw from.
        methods: the keys ``METHOD[+PRESET]`` of methods; units of others are reference rows.
        share: above 0 and at most 1.
        seed: the seed of the samples.
    """
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.entrant if unit.entrant in methods else REFERENCE_ROWS, []).append(unit)
    rng = random.Random(seed)  # noqa: S311  (a sample that can be repeated)
    samples = []
    for name in sorted(groups, key=lambda name: (name == REFERENCE_ROWS, name)):
        total = len(groups[name])
        least = 1 if name == REFERENCE_ROWS else min(MIN_UNITS, total)
        samples.append(Sample(name, tuple(rng.sample(groups[name], max(least, math.ceil(share * total)))), total))
    return tuple(samples)
