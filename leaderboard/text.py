"""Text for the leaderboard page: strings of a run are untrusted, so they are sanitized here and escaped by the templates."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit


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


def error_text(error: Exception, folder: Path) -> str:
    """Return the message of an error for the page, where files in ``folder`` are named without it."""
    text = str(error)
    for path in (folder.resolve(), folder):
        text = text.replace(f"{path}{os.sep}", "")
    return sanitize(text, 300)


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
