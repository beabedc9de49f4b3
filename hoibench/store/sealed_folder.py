"""Sealed folders: whole or absent, and damage is found on reading.

A metadata file beside the other files holds their sizes and hashes, and a hash of itself.  What it says besides is one pydantic model:

    class Calibration(FolderMetadata):
        SCHEMA = "hoibench/calibration@1"
        FIX = "run the calibration again"
        camera: str

    folder = Path("calibrations/cam0")
    write_sealed(folder, Calibration(camera="cam0"), lambda new: write_npz(new / "K.npz", {"K": K}))
    read_metadata(folder, Calibration).camera             # "cam0"; K.npz is not looked at
    read_metadata(folder, Calibration, check="contents")  # raises CorruptFolder if K.npz is not as it was written
    is_intact(folder, Calibration)                        # True

All folders below one that must be made with the same settings are held to a record of these, and processes exclude one another by a lock:

    ensure_settings(Path("calibrations/settings.json"), Settings(board="9x6"), fix="give another --out")
    with locked(folder.with_name(".cam0.lock"), wait=False) as ours:
        ...
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import filelock
from pydantic import Field

from hoibench.store.atomic import WriteError, as_write_error, new_folder, sweep
from hoibench.store.hashes import sha256_file, sha256_json
from hoibench.store.json_file import read_json, write_json
from hoibench.store.records import Record, parse_record

__all__ = [
    "CorruptFolder",
    "FolderMetadata",
    "StoredFile",
    "WriteError",
    "ensure_settings",
    "is_intact",
    "locked",
    "read_metadata",
    "refuse_other_settings",
    "seal",
    "write_sealed",
]

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Record)

Check = Literal["metadata", "sizes", "contents"]
_SEAL = "seal"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class CorruptFolder(ValueError):
    """A folder is not as it was written; the message names the file and the fix."""


class StoredFile(Record):
    """One file of a sealed folder: its size in bytes, and its SHA-256 unless the folder is too large to be hashed."""

    bytes: int
    sha256: str | None


class FolderMetadata(Record):
    """The metadata of a sealed folder; a model of one kind of folder adds fields.

    Class attributes:
        FILE: name of the metadata file.
        FIX: what to do where a folder is missing or corrupt; ends the message.

    Attributes:
        files: by paths relative to the folder; filled in when the folder is sealed.
    """

    FILE: ClassVar[str] = "metadata.json"
    FIX: ClassVar[str] = "make it again"

    files: dict[str, StoredFile] = Field(default_factory=dict)


F = TypeVar("F", bound=FolderMetadata)


def write_sealed(folder: Path, metadata: FolderMetadata, fill: Callable[[Path], None], *, hashed: bool = True) -> None:
    """Have ``fill`` write a folder's files and seal them with the metadata, unless the folder is intact; a corrupt one is replaced.

    Args:
        folder: to be.
        metadata: all but ``files``.
        fill: writes into the empty folder that it is given.
        hashed: false where the files are too large to be read again; then only their sizes are kept.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    if is_intact(folder, type(metadata)):
        return
    with new_folder(folder, keep=lambda: is_intact(folder, type(metadata))) as new:
        fill(new)
        seal(new, metadata, hashed=hashed)


def seal(folder: Path, metadata: FolderMetadata, *, hashed: bool = True) -> None:
    """Write the metadata of a folder whose files are written; for a folder that several processes fill, else use ``write_sealed``.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    files = {
        path.relative_to(folder).as_posix(): StoredFile(
            bytes=path.stat().st_size, sha256=sha256_file(path) if hashed else None
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    table = metadata.model_copy(update={"files": files}).to_json()
    write_json(folder / metadata.FILE, table | {_SEAL: sha256_json(table)})


def read_metadata(folder: Path, model: type[F], check: Check = "metadata") -> F:
    """The metadata of a sealed folder.

    Args:
        folder: the folder.
        model: what the folder says.
        check: ``metadata``: no other file is looked at; ``sizes``: all are there and of their size; ``contents``: they have the bytes that
            were written, where these were hashed; a file is hashed once in a process as long as nobody changes it.

    Raises:
        FileNotFoundError: there is no such folder.
        CorruptFolder: a file is missing or not as it was written.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: {model.FIX}")
    path = folder / model.FILE
    try:
        table = read_json(path, model.SCHEMA)
        if table.pop(_SEAL, None) != sha256_json(table):
            raise ValueError("it is not as it was written")
        del table["schema"]
        metadata = parse_record(model, table, str(path))
    except (ValueError, FileNotFoundError) as error:
        raise CorruptFolder(f"{path} is missing or damaged ({error}): {model.FIX}") from error
    if check != "metadata":
        for name, stored in metadata.files.items():
            _check_file(folder / name, stored, check, model.FIX)
    return metadata


def is_intact(folder: Path, model: type[FolderMetadata]) -> bool:
    """Whether a sealed folder is there and has the contents that were written."""
    try:
        read_metadata(folder, model, check="contents")
    except (CorruptFolder, FileNotFoundError):
        return False
    return True


def ensure_settings(
    path: Path,
    settings: S,
    *,
    fix: str,
    free: Collection[str] = (),
    may_replace: Callable[[S | None], bool] = lambda _: False,
) -> None:
    """Hold all that is made below a folder to one record of settings: whoever comes first writes it, of several processes at once one does.

    Args:
        path: the record, a JSON file in that folder.
        settings: what things are to be made with now.
        fix: what to do where other settings are recorded; ends the message.
        free: names of settings that may differ; ``a.b`` is key b of table a.
        may_replace: told the recorded settings, None where they cannot be read: whether nothing was made with them yet, so that they may be replaced.

    Raises:
        ValueError: other settings are recorded, which are listed, or the record is damaged; names the file and the fix.
        WriteError: the folder cannot be written, or the disk is full.
    """

    def is_settled() -> bool:
        if not path.is_file():
            return False
        try:
            recorded = type(settings).read(path)
        except ValueError:
            if may_replace(None):
                return False
            raise
        if recorded == settings:
            return True
        if may_replace(recorded):
            return False
        refuse_other_settings(path, recorded, settings.to_json(), fix=fix, free=free)
        return True

    if is_settled():  # written by an earlier call; the folder may be read-only now
        return
    with locked(path.with_name(f".{path.name}.lock"), wait=True), as_write_error(path):
        if not is_settled():
            sweep(path.parent, path.name)
            settings.write(path)


def refuse_other_settings(
    path: Path, recorded: Record, wanted: Mapping[str, Any], *, fix: str, free: Collection[str] = ()
) -> None:
    """Raise ValueError if a record of settings has other values than are wanted; lists them, and ends with the fix.

    Args:
        path: the record's file; its folder is named.
        recorded: what it holds.
        wanted: the values wanted, of all of its keys or of some.
        fix: what to do.
        free: names of settings that may differ; ``a.b`` is key b of table a.
    """
    table = recorded.to_json()
    before = dict(_flat({name: table.get(name) for name in wanted}))
    after = dict(_flat(wanted))
    names = [name for name in dict.fromkeys([*after, *before]) if name not in free]
    different = [
        f"{name} was {before.get(name)}, now {after.get(name)}" for name in names if before.get(name) != after.get(name)
    ]
    if different:
        raise ValueError(f"{path.parent} was made with other settings ({'; '.join(different)}): {fix}")


@contextmanager
def locked(lock_file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock against all other processes and threads, this thread too; gives whether it is ours.

    The system releases it when this process ends, however it ends.  The empty file stays.

    Args:
        lock_file: what is locked; made if missing, with its folder.
        wait: whether to wait until it is free, rather than give False.

    Raises:
        WriteError: the file cannot be written, or the disk is full.
    """
    lock = filelock.FileLock(lock_file)
    with as_write_error(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        ours = _acquired(lock, wait)
    try:
        yield ours
    finally:
        lock.release()


def _acquired(lock: filelock.BaseFileLock, wait: bool) -> bool:
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        # Some network file systems have no locks.
        log.warning("%s cannot be locked (%s): let no other process write there", lock.lock_file, error)
    return True


def _check_file(path: Path, stored: StoredFile, check: Check, fix: str) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise CorruptFolder(f"{path} is missing: {fix}") from None
    if found.st_size != stored.bytes:
        raise CorruptFolder(f"{path} has {found.st_size} bytes, {stored.bytes} were written: {fix}")
    if check == "contents" and stored.sha256 is not None:
        digest = _digest(path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if digest != stored.sha256:
            raise CorruptFolder(f"{path} is not as it was written, by its SHA-256: {fix}")


@lru_cache(maxsize=10_000)
def _digest(path: Path, *_state: int) -> str:
    # Whoever writes, asks and reads in one process pays once for a file that nobody touches in between.
    return sha256_file(path)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    else:
        yield name, list(value) if isinstance(value, tuple) else value
