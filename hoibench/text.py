"""Texts that many messages share."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text with unprintable characters replaced, except line ends and tabs; on a terminal they could hide or forge what is printed.

    >>> printable("Wan\x1b[2J 2.2\n")
    'Wan�[2J 2.2\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural unless the number is one.

    >>> count(1, "clip"), count(3, "clip"), count(2, "entry", "entries")
    ('1 clip', '3 clips', '2 entries')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
