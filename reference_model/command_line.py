"""Checks of commands' arguments."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hoibench.errors import is_disk_full


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse a word that is empty, which an unset variable of a shell leaves and a path would take for the folder that one is in.

    Raises:
        ValueError: names the option.
    """
    for option, word in pairwise(("", *arguments)):
        if not word:
            raise ValueError(f"{option or 'the first word'} is given an empty word (an unset variable?): give a value")
        if word.startswith("--") and word.endswith("="):
            raise ValueError(f"{word[:-1]} is given an empty word (an unset variable?): give a value")


def make_out(folder: Path) -> None:
    """Make the folder of ``--out``, and see that files can be written there.

    Raises:
        ValueError: names the folder and the system's reason.
        OSError: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ValueError(f"--out {folder} cannot be written ({error.strerror}): give a folder that can") from error
