"""Checks of the commands' arguments."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hoibench.errors import is_disk_full


def refuse_empty_arguments(arguments: Sequence[str]) -> None:
    """Raise ValueError if an argument is empty, as an unset shell variable leaves it: an empty path would mean the current folder."""
    for option, word in pairwise(("", *arguments)):
        empty = (option or "the first argument") if not word else word[:-1] if _is_option_without_value(word) else None
        if empty:
            raise ValueError(f"{empty} is empty (an unset variable?): give a value")


def create_output_folder(folder: Path) -> None:
    """Create the folder of ``--out`` and check that files can be written in it.

    Raises:
        ValueError: the folder cannot be written; names it and the system's reason.
        OSError: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ValueError(f"--out {folder} cannot be written ({error.strerror}): give a writable folder") from error


def _is_option_without_value(word: str) -> bool:
    return word.startswith("--") and word.endswith("=")
