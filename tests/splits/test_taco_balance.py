import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits import taco_balance
from splits.taco_balance import balance_cameras

WEIGHTS = {("a", "c", "e"): 2, ("b", "c", "e"): 1, ("b", "d", "e"): 3}
GROUPS = st.lists(st.sampled_from([(), ("x",), ("y",), ("x", "y"), ("x", "z")]), max_size=40)


def count(chosen, groups, group, view, serial):
    return sum(group in groups[key] and chosen[key][view] == serial for key in groups)


@given(GROUPS)
def test_cameras_are_equally_frequent_in_every_group(members):
    groups = {f"{number:03d}": names for number, names in enumerate(members)}
    chosen = balance_cameras(groups, WEIGHTS)
    assert chosen.keys() == groups.keys()
    assert set(chosen.values()) <= WEIGHTS.keys()
    for group in "xyz":
        for view, (one, other) in ((0, "ab"), (1, "cd")):
            numbers = [count(chosen, groups, group, view, serial) for serial in (one, other)]
            assert abs(numbers[0] - numbers[1]) <= 1


def test_trios_are_spread_over_the_keys_in_the_given_order():
    chosen = balance_cameras({f"{number:03d}": ("x",) for number in range(60)}, WEIGHTS)
    for start in range(0, 60, 12):
        left = [chosen[f"{number:03d}"][0] for number in range(start, start + 12)]
        assert abs(left.count("a") - left.count("b")) <= 2


def test_an_impossible_balance_is_an_error(monkeypatch):
    monkeypatch.setattr(taco_balance, "_MAX_SWEEPS", 20)
    weights = {("a", "c", "e"): 1, ("a", "d", "e"): 1, ("b", "c", "e"): 1, ("b", "f", "e"): 1, ("b", "g", "e"): 1}
    with pytest.raises(ValueError, match="no balance of cameras within one clip was found in 20 sweeps"):
        balance_cameras(
            {str(number): ("x",) for number in range(40)}, {**weights, ("h", "d", "e"): 1, ("i", "d", "e"): 1}
        )
