"""Strings and numbers fit for a page: every string of a run is hostile until it has been through here (and is escaped by the template besides)."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

_SHORTEST_REAL_NUMBER = 6


def plain(text: object, limit: int) -> str:
    """``text`` without control, bidirectional and unassigned characters, and cut to ``limit`` characters."""
    kept = "".join(
        c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}"
        for c in str(text)[: 4 * limit]
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def web_link(url: object, limit: int = 300) -> str | None:
    """``url`` if it is an absolute http or https address, else None: no other scheme ever becomes a link."""
    text = str(url or "")
    if not text.isascii() or not text.isprintable() or len(text) > limit or " " in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.netloc else None


def decimals(values: Iterable[float]) -> int:
    """Decimals that show a column's typical value with four digits: from the median size of the values that are not zero."""
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 0
    return max(0, min(_SHORTEST_REAL_NUMBER, 3 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def number(value: float, places: int) -> str:
    """``value`` with fixed decimals; what they would round to zero becomes a power of ten, and only zero itself is "0"."""
    if not value:
        return "0"
    shown = f"{value:.{places}f}"
    if not float(shown):
        shown = f"{value:.0e}"
    return shown.replace("-", "\N{MINUS SIGN}")
