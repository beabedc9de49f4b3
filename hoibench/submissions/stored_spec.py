"""The spec of stored predictions, in a folder or a zip, with or without submission.toml."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hoibench.methods.registry import folder_spec
from hoibench.methods.spec import Spec
from hoibench.plugins import SPEC_FILE
from hoibench.problems import raise_if_any
from hoibench.store.atomic import ensure_folder
from hoibench.store.cache_dir import cache_dir
from hoibench.store.hashes import sha256_file
from hoibench.submissions.archive import ArchiveLimits, unpack
from hoibench.submissions.layout import read_layout
from hoibench.submissions.limited import LimitExceeded, Limits, call_limited
from hoibench.submissions.submission import SUBMISSION_FILE, read_submission

ARCHIVE_SUFFIX = ".zip"
UNPACKING = Limits(cpu_seconds=1800, seconds=3600.0, file_bytes=ArchiveLimits().member_bytes)
"""Limits of the process that unpacks an archive."""


def stored_spec(name: str, path: Path, method: Spec | None = None) -> Spec:
    """Return the spec of stored predictions under ``name``: from submission.toml or spec.toml, else that of ``method`` or a default.

    Args:
        name: the name of the row.
        path: a folder of predictions, or a zip of one, which is unpacked into hoibench's cache.
        method: the installed method of this name, if any.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: the name, the archive or the description is wrong, or a submission has links or other files.
    """
    try:
        if path.suffix.lower() != ARCHIVE_SUFFIX or path.is_dir():
            return _folder_spec(name, path, method)
        if not path.is_file():
            raise FileNotFoundError(f"--method {name}={path}: no such file")
        return _folder_spec(name, unpacked_folder(path), method)
    except LimitExceeded as error:
        raise LimitExceeded(f"--method {name}={path} {error}") from None


def _folder_spec(name: str, folder: Path, method: Spec | None) -> Spec:
    if (folder / SUBMISSION_FILE).is_file():
        raise_if_any(read_layout(folder).problems)
        return folder_spec(name, folder, declared=read_submission(folder).to_spec())
    if (folder / SPEC_FILE).is_file() or not folder.is_dir():
        return folder_spec(name, folder, method)
    return call_limited(folder_spec, name, folder, method)  # reads npz files for the outputs


def unpacked_folder(path: Path) -> Path:
    """Return the folder of predictions that a zip contains, unpacked into hoibench's cache unless it is there.

    It is the top of the archive, or the only folder there if that has submission.toml or spec.toml.

    Raises:
        ProblemsFound: the archive has members that are not allowed, or is damaged.
        LimitExceeded: unpacking takes too much memory or time.
        WriteError: the cache cannot be written.
    """
    status = path.stat()
    return _unpacked_folder(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _unpacked_folder(path: Path, size: int, mtime_ns: int) -> Path:
    folder = cache_dir() / "submissions@1" / sha256_file(path)
    ensure_folder(folder, lambda new: call_limited(unpack, path, new, limits=UNPACKING))
    return find_root(folder)


def find_root(folder: Path) -> Path:
    """Return the folder of predictions in an unpacked archive: its only folder if submission.toml or spec.toml is there, else ``folder``."""
    names = (SUBMISSION_FILE, SPEC_FILE)
    inner = [path for path in folder.iterdir() if path.is_dir()]
    if any((folder / name).exists() for name in names) or len(inner) != 1:
        return folder
    return inner[0] if any((inner[0] / name).is_file() for name in names) else folder
