"""Texts that many messages share."""

from __future__ import annotations


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural unless the number is one.

    >>> count(1, "clip"), count(3, "clip"), count(2, "entry", "entries")
    ('1 clip', '3 clips', '2 entries')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
