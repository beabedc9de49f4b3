"""Errors that any layer may raise; the command line turns them into a message and an exit code."""

from __future__ import annotations

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk or an exhausted quota."""


class Crash(Exception):
    """A failure after the work had begun, which no command line could have prevented."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in DISK_FULL
