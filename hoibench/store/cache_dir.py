"""The cache folder, for generated and prepared clips, parsed hand files and downloaded weights."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Return the cache folder: ``$HOIBENCH_CACHE`` (``~`` is expanded), or ``hoibench`` in the user's cache folder; it may not exist yet.

    Raises:
        ValueError: ``$HOIBENCH_CACHE`` is a file.
    """
    named = os.environ.get("HOIBENCH_CACHE")
    path = Path(named).expanduser() if named else platformdirs.user_cache_path("hoibench", appauthor=False)
    if path.is_file():
        name = f"HOIBENCH_CACHE={named}" if named else f"the cache folder {path}"
        raise ValueError(f"{name} is a file, expected a folder: set HOIBENCH_CACHE to a folder")
    return path
