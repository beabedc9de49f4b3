"""Which part of a split each TACO sequence is in: by what is held out, then 9:1 at random within triplets; or as TACO's own list has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.model_selection import train_test_split

from hoibench.datasets.taco.download import Triplet
from hoibench.store.records import Record

_REST = "rest"


class HeldOut(Record):
    """Sequences with a tool or an action, for a tag's reason ``why``."""

    tag: str
    why: str
    tool: str | None = None
    action: str | None = None

    def covers(self, triplet: Triplet) -> bool:
        """Whether sequences of the triplet are held out."""
        tool, action, _ = triplet
        return tool == self.tool or action == self.action


@dataclass(frozen=True)
class Place:
    """The part that a sequence is in, and the tags that say why."""

    part: str
    tags: tuple[str, ...] = ()


def hold_out(
    triplets: Mapping[str, Triplet], rules: tuple[HeldOut, ...], *, val_share: float, pooled_below: int, seed: int
) -> dict[str, Place]:
    """Key -> place: ``test_unseen`` where a rule holds, the others in train and val, stratified by triplet.

    Raises:
        ValueError: too few sequences are left to be stratified.
    """
    tags = {key: tuple(rule.tag for rule in rules if rule.covers(triplet)) for key, triplet in triplets.items()}
    # Sorted, so that the order of the list decides nothing.
    seen = {key: triplets[key] for key in sorted(triplets) if not tags[key]}
    classes = strata(tuple(seen.values()), pooled_below)
    train, val = train_test_split(list(seen), test_size=val_share, stratify=classes, random_state=seed)
    places = {key: Place("test_unseen", tags[key]) for key in triplets if tags[key]}
    return places | dict.fromkeys(train, Place("train")) | dict.fromkeys(val, Place("val"))


def strata(triplets: tuple[Triplet, ...], pooled_below: int) -> list[str]:
    """The class of each sequence: its triplet; its action where the triplet has under ``pooled_below`` sequences; the rest where that is single."""
    sizes = Counter(triplets)
    classes = [" ".join(triplet) if sizes[triplet] >= pooled_below else f"any {triplet[1]} any" for triplet in triplets]
    members = Counter(classes)
    return [name if members[name] > 1 else _REST for name in classes]


def official(parts: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Place]:
    """Key -> place in TACO's own split, with the tag of its part where the part has one."""
    return {key: Place(part, (tags[part],) if part in tags else ()) for key, part in parts.items()}
