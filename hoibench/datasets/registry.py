"""The registry of data sets: list them, and open one by its name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hoibench.clip import DataKind
from hoibench.datasets.base import Dataset
from hoibench.plugins import get_by_name, load_object, read_specs
from hoibench.progress import MessageCallback
from hoibench.store.records import Record, parse_record


class DatasetCard(Record):
    """The description of a registered data set: its name, kind, title, and ``entry``, the ``module:Class`` that implements it."""

    name: str
    kind: DataKind
    title: str
    entry: str


@lru_cache(maxsize=1)
def all_datasets() -> dict[str, DatasetCard]:
    """Return name -> description (``DatasetCard``) of every registered data set.

    Raises:
        ValueError: two data sets share a name, or a card lacks a key.
    """
    cards: dict[str, DatasetCard] = {}
    for where, table, _ in read_specs("hoibench.datasets"):
        card = parse_record(DatasetCard, table, where)
        if card.name in cards:
            raise ValueError(f"{where}: the data set {card.name!r} is already registered; choose another name")
        cards[card.name] = card
    return cards


def open_dataset(name: str, root: Path | None, on_message: MessageCallback | None = None) -> Dataset:
    """Open a registered data set by its name, in the folder ``root`` or, for None, in its default folder if it has one.

    Raises:
        UnknownName: the data set does not exist; suggests the nearest names.
        FileNotFoundError, ValueError: ``root`` does not contain the data set.
    """
    entry = get_by_name("data set", name, all_datasets()).entry
    dataset = load_object(entry)
    if not (isinstance(dataset, type) and issubclass(dataset, Dataset)):
        raise ValueError(f"{entry} is not a subclass of hoibench.datasets.base.Dataset")
    return dataset.open(root, on_message)
