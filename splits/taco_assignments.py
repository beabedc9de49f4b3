"""Assign TACO sequences to the parts of a split: by hold-out rules and a random choice within triplets, or by TACO's own list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.model_selection import train_test_split

from hoibench.datasets.taco.download import Triplet
from hoibench.store.records import Record

_REST = "rest"


class HeldOut(Record):
    """A rule that holds out the sequences with a tool or an action from training; they get the ``tag``, which ``why`` explains."""

    tag: str
    why: str
    tool: str | None = None
    action: str | None = None

    def covers(self, triplet: Triplet) -> bool:
        """Return True if the rule holds out sequences with this (tool, action, target) triplet."""
        tool, action, _ = triplet
        return tool == self.tool or action == self.action


@dataclass(frozen=True)
class Place:
    """The part of a split that a sequence is in, and the tags that give reasons for it."""

    part: str
    tags: tuple[str, ...] = ()


def hold_out(
    triplets: Mapping[str, Triplet], rules: tuple[HeldOut, ...], *, val_share: float, pooled_below: int, seed: int
) -> dict[str, Place]:
    """Return sequence key -> part with tags: ``test_unseen`` if a rule applies, else ``train`` or ``val`` at random, stratified by triplet.

    Args:
        triplets: sequence key -> (tool, action, target).
        rules: the hold-out rules.
        val_share: share of ``val`` among the sequences that are not held out.
        pooled_below: see ``strata``.
        seed: seed of the random choice.

    Raises:
        ValueError: too few sequences remain for stratification.
    """
    tags = {key: tuple(rule.tag for rule in rules if rule.covers(triplet)) for key, triplet in triplets.items()}
    # Sorted, so that the result does not depend on the order of the list.
    seen = {key: triplets[key] for key in sorted(triplets) if not tags[key]}
    classes = strata(tuple(seen.values()), pooled_below)
    train, val = train_test_split(list(seen), test_size=val_share, stratify=classes, random_state=seed)
    places = {key: Place("test_unseen", tags[key]) for key in triplets if tags[key]}
    return places | dict.fromkeys(train, Place("train")) | dict.fromkeys(val, Place("val"))


def strata(triplets: tuple[Triplet, ...], pooled_below: int) -> list[str]:
    """Return the stratum of each sequence, given its triplet, for a stratified random choice.

    It is the triplet, or the action alone if fewer than ``pooled_below`` sequences have the triplet, or ``rest`` for a stratum with one sequence.
    """
    sizes = Counter(triplets)
    classes = [" ".join(triplet) if sizes[triplet] >= pooled_below else f"any {triplet[1]} any" for triplet in triplets]
    members = Counter(classes)
    return [name if members[name] > 1 else _REST for name in classes]


def official_places(parts: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Place]:
    """Return sequence key -> part with tags, in TACO's own split; ``parts`` is sequence key -> part, ``tags`` is part -> tag."""
    return {key: Place(part, (tags[part],) if part in tags else ()) for key, part in parts.items()}
