"""Samples of units: sizes, disjoint groups and repetition, for any numbers of units."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hoibench.evaluation.sample_units import MIN_UNITS, REFERENCE_ROWS, sample_units
from hoibench.evaluation.unit import Unit


@given(
    sizes=st.dictionaries(st.sampled_from(["a", "b", "ground_truth", "frozen"]), st.integers(1, 90), min_size=1),
    share=st.floats(0.001, 1.0),
    seed=st.integers(0, 99),
)
def test_each_method_has_its_share_and_the_reference_rows_theirs(sizes, share, seed):
    units = [Unit(name, None, 0, f"clip_{n}") for name, size in sizes.items() for n in range(size)]
    samples = {sample.name: sample for sample in sample_units(units, {"a", "b"}, share, seed)}
    references = sum(size for name, size in sizes.items() if name not in ("a", "b"))
    expected = {name: size for name, size in sizes.items() if name in ("a", "b")}
    expected |= {REFERENCE_ROWS: references} if references else {}
    assert {name: sample.total for name, sample in samples.items()} == expected
    for name, sample in samples.items():
        least = 1 if name == REFERENCE_ROWS else min(MIN_UNITS, sample.total)
        assert len(set(sample.units)) == len(sample.units) == max(least, math.ceil(share * sample.total))
        assert all(unit.method == name or name == REFERENCE_ROWS for unit in sample.units)
    assert tuple(samples.values()) == sample_units(units, {"a", "b"}, share, seed)
