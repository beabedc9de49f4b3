"""What tells cheaply that a file is not the one of before: its size and when it was last changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Stamps = dict[str, tuple[int, int]]
"""Path under the tree's root -> bytes and nanoseconds."""


def stamp_files(root: Path, files: Iterable[Path]) -> Stamps:
    """The stamps of files that are there."""
    found = {path.relative_to(root).as_posix(): path.stat() for path in files if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in sorted(found.items())}
