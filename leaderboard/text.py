"""Text and numbers for the leaderboard page: strings of a run are untrusted, so they are sanitized here and escaped by the templates."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

_MAX_DECIMALS = 6


def sanitize(text: object, limit: int) -> str:
    r"""Return a text with control, bidirectional and unassigned characters replaced, white space joined, cut to ``limit`` characters.

    >>> sanitize("Wan\u202e 2.2\n", 20)
    'Wan� 2.2'
    """
    clean = "".join(
        c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}"
        for c in str(text)[: 4 * limit]
    )
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def web_link(url: object, limit: int = 300) -> str | None:
    """Return ``url`` if it is an absolute http or https address of at most ``limit`` characters, else None."""
    text = str(url or "")
    if not text.isascii() or not text.isprintable() or len(text) > limit or " " in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.netloc else None


def choose_decimals(values: Iterable[float]) -> int:
    """Return the number of decimals (0 to 6) that shows the median absolute value with four digits; zeros are ignored.

    >>> choose_decimals([5.1, 7.7, 41.0]), choose_decimals([0.0131])
    (3, 5)
    """
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 0
    return max(0, min(_MAX_DECIMALS, 3 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def format_number(value: float, decimals: int) -> str:
    """Return ``value`` as text with this number of decimals; one that would round to zero is written in scientific notation.

    >>> format_number(5.126, 2), format_number(0.0004, 2), format_number(0, 2)
    ('5.13', '4e−04', '0')
    """
    if not value:
        return "0"
    shown = f"{value:.{decimals}f}"
    if not float(shown):
        shown = f"{value:.0e}"
    return shown.replace("-", "\N{MINUS SIGN}")
