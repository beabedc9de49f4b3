"""Folders that are complete or absent, with a metadata file that detects damage.

The metadata file holds the size and SHA-256 of every other file, and a SHA-256 of itself.  Its other contents are one pydantic model:

    class Calibration(FolderMetadata):
        SCHEMA = "hoibench/calibration@1"
        FIX = "run the calibration again"
        camera: str

    folder = Path("calibrations/cam0")
    write_folder(folder, Calibration(camera="cam0"), lambda new: write_npz(new / "K.npz", {"K": K}))
    read_metadata(folder, Calibration).camera             # "cam0"; does not read K.npz
    read_metadata(folder, Calibration, check="contents")  # raises CorruptFolder if K.npz has changed
    is_intact(folder, Calibration)                        # True
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from hoibench.store.atomic import new_folder
from hoibench.store.hashes import sha256_file, sha256_json
from hoibench.store.json_file import read_json, write_json
from hoibench.store.records import Record, parse_record

CheckLevel = Literal["metadata", "sizes", "contents"]
METADATA_SHA256 = "metadata_sha256"
"""Key of the metadata file: SHA-256 of its other keys."""


class CorruptFolder(ValueError):
    """An error: a folder has changed since it was written, or its metadata has another schema; the message names the file and the fix."""


class StoredFile(Record):
    """Size in bytes and SHA-256 of one file; None in place of the SHA-256 if the folder is too large to hash."""

    bytes: int
    sha256: str | None


class FolderMetadata(Record):
    """Base class for the metadata file of a folder; a subclass adds the facts about its kind of folder.

    Class attributes:
        FILE: name of the metadata file.
        FIX: what the user can do if a folder is missing or corrupt; ends the error message.

    Attributes:
        files: relative path -> size and SHA-256 of each other file; filled in by ``write_metadata``.
    """

    FILE: ClassVar[str] = "metadata.json"
    FIX: ClassVar[str] = "make it again"

    files: dict[str, StoredFile] = Field(default_factory=dict)


F = TypeVar("F", bound=FolderMetadata)


def write_folder(folder: Path, metadata: FolderMetadata, fill: Callable[[Path], None], *, hashed: bool = True) -> None:
    """Write a folder and its metadata file atomically, unless an intact folder exists; a corrupt one is replaced.

    Args:
        folder: the folder to write.
        metadata: its metadata without ``files``.
        fill: called with a new empty folder, into which it writes the files.
        hashed: record SHA-256 sums, not only sizes; False if the files are too large to read again.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    if is_intact(folder, type(metadata)):
        return
    with new_folder(folder, keep_existing=lambda: is_intact(folder, type(metadata))) as new:
        fill(new)
        write_metadata(new, metadata, hashed=hashed)


def write_metadata(folder: Path, metadata: FolderMetadata, *, hashed: bool = True) -> None:
    """Write the metadata file of a folder that already has its other files, such as one filled by several processes.

    Args:
        folder: the folder.
        metadata: its metadata without ``files``.
        hashed: record SHA-256 sums, not only sizes.

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
    write_json(folder / metadata.FILE, table | {METADATA_SHA256: sha256_json(table)})


def read_metadata(folder: Path, model: type[F], check: CheckLevel = "metadata") -> F:
    """Return the metadata of a folder, and check the folder's files as ``check`` says.

    Args:
        folder: the folder.
        model: class of the metadata.
        check: ``metadata`` reads only the metadata file; ``sizes`` also checks that all files exist with their sizes; ``contents`` also
            checks SHA-256 sums if recorded (a process hashes a file again only if it has changed).

    Raises:
        FileNotFoundError: the folder does not exist.
        CorruptFolder: a file is missing or has changed since it was written, or the metadata has another schema.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: {model.FIX}")
    path = folder / model.FILE
    try:
        table = read_json(path, model.SCHEMA)
        if table.pop(METADATA_SHA256, None) != sha256_json(table):
            raise ValueError("its SHA-256 differs")
        del table["schema"]
        metadata = parse_record(model, table, str(path))
    except (ValueError, FileNotFoundError, RecursionError) as error:
        raise CorruptFolder(f"{path} cannot be used ({error}): {model.FIX}") from error
    if check != "metadata":
        for name, stored in metadata.files.items():
            _check_file(folder / name, stored, check, model.FIX)
    return metadata


def is_intact(folder: Path, model: type[FolderMetadata]) -> bool:
    """Return True if a folder, whose metadata is a ``model``, exists and none of its files has changed since it was written."""
    try:
        read_metadata(folder, model, check="contents")
    except (CorruptFolder, FileNotFoundError):
        return False
    return True


def _check_file(path: Path, stored: StoredFile, check: CheckLevel, fix: str) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CorruptFolder(f"{path} is missing: {fix}") from None
    if status.st_size != stored.bytes:
        raise CorruptFolder(f"{path} has {status.st_size} bytes, expected {stored.bytes}: {fix}")
    if check == "contents" and stored.sha256 is not None:
        digest = _cached_sha256(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if digest != stored.sha256:
            raise CorruptFolder(f"{path} has changed since it was written (its SHA-256 differs): {fix}")


@lru_cache(maxsize=10_000)
def _cached_sha256(path: Path, *_status: int) -> str:
    return sha256_file(path)
