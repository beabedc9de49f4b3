"""Reading of files that may come from strangers: regular files of a limited size only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags with which a pipe without a writer is opened at once; the flags of other systems are zero."""


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the contents of a regular file of at most ``limit`` bytes; a pipe or a device, which has no end, is never read.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is no regular file, or has more than ``limit`` bytes; names the file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _WITHOUT_WAITING)) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is a pipe or a device, expected a regular file: remove it")
        if status.st_size > limit:
            raise ValueError(f"{path} has {status.st_size} bytes, expected at most {limit}")
        return stream.read(status.st_size)
