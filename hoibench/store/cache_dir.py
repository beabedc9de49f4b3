"""The cache's folder, which generated clips and fetched weights share."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """``$HOIBENCH_CACHE`` (``~`` is the user's home), or ``hoibench`` in the user's cache folder; it need not exist yet."""
    chosen = os.environ.get("HOIBENCH_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("hoibench", appauthor=False)
