"""Which data sets there are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from hoibench.datasets.base import Dataset
from hoibench.plugins import UnknownName, load_object, read_specs
from hoibench.progress import MessageCallback
from hoibench.store.records import Record, parse_record


class DatasetCard(Record):
    """A data set's name, kind (``measured`` or ``synthetic``), title and ``module:Class``."""

    name: str
    kind: Literal["measured", "synthetic"]
    title: str
    entry: str


@lru_cache(maxsize=1)
def all_datasets() -> dict[str, DatasetCard]:
    """Every registered data set by name.

    Raises:
        ValueError: two share a name, or a spec lacks a key.
    """
    cards: dict[str, DatasetCard] = {}
    for where, table in read_specs("hoibench.datasets"):
        card = parse_record(DatasetCard, table, where)
        if card.name in cards:
            raise ValueError(f"{where}: a data set {card.name!r} is already registered; choose another name")
        cards[card.name] = card
    return cards


def open_dataset(name: str, root: Path | None, on_message: MessageCallback | None = None) -> Dataset:
    """Open a data set by name.

    Raises:
        UnknownName: there is no such data set; gives the nearest names.
        FileNotFoundError, ValueError: ``root`` does not hold it.
    """
    cards = all_datasets()
    if name not in cards:
        raise UnknownName("data set", name, cards)
    kind = load_object(cards[name].entry)
    if not (isinstance(kind, type) and issubclass(kind, Dataset)):
        raise ValueError(f"{cards[name].entry} is not a hoibench.datasets.base.Dataset")
    return kind.open(root, on_message)
