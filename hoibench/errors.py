"""Errors that any layer may raise; the command line turns them into a message and an exit code."""

from __future__ import annotations

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of an exhausted quota."""


class Crash(Exception):
    """A failure during the work that no other arguments could have prevented."""


def is_disk_full(error: BaseException) -> bool:
    """Return True if an error says that the disk is full or the user's quota exhausted."""
    return isinstance(error, OSError) and error.errno in DISK_FULL
