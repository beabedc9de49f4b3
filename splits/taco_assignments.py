"""Assign TACO sequences to the parts of a split: by hold-out rules and a hash of each key, or by TACO's own list.

The part of a sequence depends on the sequence alone, so lists with more or fewer sequences move no other sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hoibench.datasets.taco.download import Triplet
from hoibench.store.records import Record
from splits.key_hash import RANGE, key_hash


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
    """The part of a split that a sequence is in, and the sequence's tags."""

    part: str
    tags: tuple[str, ...] = ()


def hold_out(key: str, triplet: Triplet, official_part: str, rules: tuple[HeldOut, ...], val_share: float) -> Place:
    """Return the place of a sequence: ``test_unseen`` if a rule holds it out, else ``val`` or ``train`` by a hash of its key.

    Args:
        key: YYYYMMDD_NNN.
        triplet: its (tool, action, target).
        official_part: its part in TACO's own split; a tag says whether that is ``train``.
        rules: the hold-out rules, whose tags it gets.
        val_share: expected share of ``val`` among the sequences that are not held out.
    """
    tags = tuple(rule.tag for rule in rules if rule.covers(triplet))
    part = "test_unseen" if tags else "val" if key_hash(f"{key}/val") < val_share * RANGE else "train"
    return Place(part, (*tags, "official_train" if official_part == "train" else "official_test"))


def official_place(part: str, tags: Mapping[str, str]) -> Place:
    """Return the place of a sequence in TACO's own split, given its part there; ``tags`` is part -> tag."""
    return Place(part, (tags[part],) if part in tags else ())
