"""The cache folder, for generated and prepared clips, parsed hand files and downloaded weights."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Return the cache folder: ``$HOIBENCH_CACHE`` (``~`` is expanded), or ``hoibench`` in the user's cache folder; it may not exist yet."""
    path = os.environ.get("HOIBENCH_CACHE")
    return Path(path).expanduser() if path else platformdirs.user_cache_path("hoibench", appauthor=False)
