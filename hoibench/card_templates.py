"""Templates of metric cards: one text for several metrics that differ in a network or an algorithm.

A ``[[card]]`` with the key ``variants``, a list of names, is a template of one card for each name: in its texts, ``$variant`` stands for the name and
``$key`` for a value in the file's table ``[variant.NAME]``; a text that is only ``"$key"`` becomes the value, of any type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Template
from typing import Any


def fill_templates(table: Mapping[str, Any], where: str) -> Iterator[Any]:
    """Yield the cards in the contents of a TOML file; a template gives one for each of its variants.

    Args:
        table: the file's contents: one card, or several under ``card``.
        where: the file, for messages.

    Raises:
        ValueError: a template has a $key without a value.
    """
    for entry in table.get("card", [table]):
        if "variants" not in entry:
            yield entry
            continue
        template = {key: value for key, value in entry.items() if key != "variants"}
        for name in entry["variants"]:
            words = {"variant": name, **table.get("variant", {}).get(name, {})}
            try:
                yield _fill(template, words)
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{where}: card {entry.get('id')}, variant {name}: {error}; add the key to [variant.{name}]"
                ) from None


def _fill(value: Any, words: Mapping[str, Any]) -> Any:
    """Replace ``$key`` by ``words[key]`` in a text, or in all texts of a list or table."""
    if isinstance(value, dict):
        return {key: _fill(item, words) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, words) for item in value]
    if not isinstance(value, str):
        return value
    return words[value[1:]] if value[:1] == "$" and value[1:] in words else Template(value).substitute(words)
