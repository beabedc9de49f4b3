"""Folders of the prepared cache: a JSON file of facts holds the SHA-256 of every other file and of itself, so that damage is found on reading."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from hoibench.store import read_json, sha256_file, sha256_json, write_json
from hoibench.store.atomic import ELSEWHERE, ensure_folder

SCHEMA = "hoibench/taco-clips@1"
"""Names what preparation means: what is made in another way is another version, whatever becomes of the code."""

_FACTS = "facts.json"
_SEAL = "seal"


class Unwritable(OSError):
    """The folder of prepared clips cannot be written: the disk is full, or closed to us.  Unlike a file that cannot be read, it stops everything."""


class Damaged(ValueError):
    """A folder is not as it was written: preparing makes it again."""


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError of what only writes into ``Unwritable``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        told = f"cannot write {error.filename} ({reason}): {ELSEWHERE}" if error.filename else reason
        raise Unwritable(error.errno, told) from error


def seal(folder: Path, facts: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    """Have ``fill`` write a folder's files and seal them with the facts; it is whole or absent, and a damaged one is replaced.

    Raises:
        Unwritable: the folder cannot be written.
    """
    with writing():
        if folder.is_dir() and not is_sealed(folder):
            _remove(folder)
        ensure_folder(folder, lambda temporary: _write(temporary, facts, fill))


def peek(folder: Path) -> dict[str, Any]:
    """The facts of a folder; its other files are not looked at.

    Raises:
        FileNotFoundError: there is no such folder.
        Damaged: the facts are missing or not as they were written; names the file and what to do.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: run hoibench data prepare")
    try:
        facts = read_json(folder / _FACTS, SCHEMA)
        if facts.pop(_SEAL) != sha256_json(facts):
            raise ValueError("it is not as it was written")
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        raise Damaged(f"{_damaged(folder / _FACTS)} ({error})") from error
    return facts


def read_sealed(folder: Path) -> dict[str, Any]:
    """The facts of a folder whose files are as they were written: each is read, once in a process as long as it is not changed.

    Raises:
        FileNotFoundError: there is no such folder.
        Damaged: a file of it is missing or not as it was written; names the file and what to do.
    """
    facts = peek(folder)
    for name, digest in facts["files"].items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise Damaged(_damaged(folder / name))
    return facts


def is_sealed(folder: Path) -> bool:
    """Whether a folder is there and whole."""
    try:
        read_sealed(folder)
    except (Damaged, FileNotFoundError):
        return False
    return True


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@lru_cache(maxsize=10_000)
def _digest_of(path: Path, *_state: int) -> str:
    # Whoever prepares, asks and reads in one process pays once for a file that nobody touches in between.
    return sha256_file(path)


def _write(folder: Path, facts: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    fill(folder)
    sums = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    whole = {"schema": SCHEMA, **facts, "files": sums}
    write_json(folder / _FACTS, whole | {_SEAL: sha256_json(whole)})


def _remove(folder: Path) -> None:
    # Out of the way in one step, so that nobody takes what is left of it for a whole folder.
    aside = folder.with_name(f".tmp-{secrets.token_hex(4)}-{folder.name}")
    try:
        folder.rename(aside)
    except FileNotFoundError:  # another process was faster
        return
    if is_sealed(aside):  # another process mended it after it was judged
        with suppress(OSError):  # and a third has made it again by now
            aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _damaged(path: Path) -> str:
    return f"{path} is missing or damaged: run hoibench data prepare, which makes it again"
