"""Assignment of TACO sequences to parts: by hold-out rules, then randomly 9:1 within triplets; or by TACO's own list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.model_selection import train_test_split

from hoibench.datasets.taco.download import Triplet
from hoibench.store.records import Record

_REST = "rest"


class HeldOut(Record):
    """A rule that holds out sequences with a tool or an action; ``why`` explains the tag."""

    tag: str
    why: str
    tool: str | None = None
    action: str | None = None

    def covers(self, triplet: Triplet) -> bool:
        """Return True if sequences of the triplet are held out."""
        tool, action, _ = triplet
        return tool == self.tool or action == self.action


@dataclass(frozen=True)
class Place:
    """The part of a sequence, and the tags that explain it."""

    part: str
    tags: tuple[str, ...] = ()


def hold_out(
    triplets: Mapping[str, Triplet], rules: tuple[HeldOut, ...], *, val_share: float, pooled_below: int, seed: int
) -> dict[str, Place]:
    """Return places by key: ``test_unseen`` if a rule applies, else train or val, stratified by triplet.

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
    """Return the stratum of each sequence: its triplet; its action if fewer than ``pooled_below`` have the triplet; a common rest if single."""
    sizes = Counter(triplets)
    classes = [" ".join(triplet) if sizes[triplet] >= pooled_below else f"any {triplet[1]} any" for triplet in triplets]
    members = Counter(classes)
    return [name if members[name] > 1 else _REST for name in classes]


def official(parts: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Place]:
    """Return places by key in TACO's own split, with the tag of the part if any."""
    return {key: Place(part, (tags[part],) if part in tags else ()) for key, part in parts.items()}
