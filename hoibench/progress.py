"""Callbacks by which long work reports how far it is; the command line shows them."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Progress callback: (stage, done, total)."""

MessageCallback = Callable[[str], None]
"""Callback for a short message about a slow step that begins."""
