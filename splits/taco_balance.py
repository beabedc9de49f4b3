"""Give sequences trios of cameras so that each group of sequences has the cameras of a cluster equally often, within one.

A hash of each key alone cannot do this, and a choice that depends on all keys would change with every list.  So trios are assigned once, to a fixed
list of sequences.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

from splits.key_hash import key_hash
from splits.taco_cameras import Serials, spread

Groups = tuple[str, ...]
"""Sorted names of the groups that a sequence is in."""

_MAX_SWEEPS = 1000


def balance_cameras(groups: Mapping[str, Groups], weights: Mapping[Serials, int]) -> dict[str, Serials]:
    """Return key -> trio of cameras, such that in every group the counts of the cameras of a cluster differ by at most one.

    Sequences in the same groups form a class.  Classes get trios by weight; then trios are exchanged within classes, while that makes the counts of
    the groups more even or leaves them as even, until they are even.  The trios of a class are spread over its keys in the order of ``groups``.  All
    choices are by hashes, so the result depends on the arguments only.

    Args:
        groups: key -> groups of the sequence; it may be in none.
        weights: trio -> its share of the sum of the weights.

    Raises:
        ValueError: no balance was found.
    """
    classes: dict[Groups, list[str]] = {}
    for key, names in groups.items():
        classes.setdefault(names, []).append(key)
    cycle = itertools.cycle(spread(weights))
    chosen = {name: Counter(itertools.islice(cycle, len(keys))) for name, keys in classes.items()}
    _Balance(chosen, list(weights)).run()
    return {key: trio for name, keys in classes.items() for key, trio in zip(keys, spread(chosen[name]), strict=True)}


class _Balance:
    """The numbers of sequences of each class with each trio, and of each group with each camera.

    Attributes:
        chosen: class, named by its groups -> trio -> number of sequences; changed in place.
        trios: the trios.
        used: (group, serial) -> number of sequences.
    """

    def __init__(self, chosen: dict[Groups, Counter[Serials]], trios: list[Serials]) -> None:
        self.chosen = chosen
        self.trios = trios
        self.used: Counter[tuple[str, str]] = Counter()
        for names, numbers in chosen.items():
            for trio, number in numbers.items():
                self.used.update({(group, serial): number for group in names for serial in trio})

    def run(self) -> None:
        """Exchange trios until the groups are even."""
        for sweep in range(_MAX_SWEEPS):
            if self._is_even():
                return
            for name, old in self._places():
                self._exchange(name, old, key_hash(f"{sweep}/{name}/{old}"))
        raise ValueError(f"no balance of cameras within one clip was found in {_MAX_SWEEPS} sweeps: change the trios")

    def _places(self) -> Iterator[tuple[Groups, Serials]]:
        return ((name, trio) for name in self.chosen if name for trio in self.trios if self.chosen[name][trio])

    def _is_even(self) -> bool:
        groups = {group for name in self.chosen for group in name}
        clusters = [sorted(set(serials)) for serials in zip(*self.trios, strict=True)]
        counts = ([self.used[group, serial] for serial in serials] for group in groups for serials in clusters)
        return all(max(numbers) - min(numbers) <= 1 for numbers in counts)

    def _exchange(self, name: Groups, old: Serials, number: int) -> None:
        """Give one sequence of a class another trio, unless that is a loss.

        ``number`` chooses among equal trios, and makes one of four exchanges without gain, so that the search goes on from a local optimum.
        """
        costs = {new: self._cost(name, old, new) for new in self.trios if new != old}
        least = min(costs.values())
        if least > 0 or (least == 0 and number % 4):
            return
        best = [trio for trio, cost in costs.items() if cost == least]
        new = best[number // 4 % len(best)]
        self.chosen[name].update({old: -1, new: 1})
        self.used.update({(group, serial): -1 for group in name for serial in old})
        self.used.update({(group, serial): 1 for group in name for serial in new})

    def _cost(self, name: Groups, old: Serials, new: Serials) -> int:
        """Return half the change of the sum over groups and cameras of squared numbers."""
        gained = sum(self.used[group, serial] for group in name for serial in set(new) - set(old))
        lost = sum(self.used[group, serial] - 1 for group in name for serial in set(old) - set(new))
        return gained - lost
