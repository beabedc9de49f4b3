"""Expensive folders that tests share, kept on disk: built once for each state of the code, by whichever process needs them first.

All workers of a run, all environments of ``.ci/run`` and the next run of a developer find what one of them has built.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from filelock import FileLock

from hoibench.store.cache_dir import cache_dir

ROOT = Path(__file__).parents[2]
FOLDER = cache_dir() / "tests"
"""Where the folders are; taken here, once, since tests set HOIBENCH_CACHE for themselves."""

CODE = ("hoibench", "leaderboard", "reference_model", "splits", "tests/support")
DATA_CODE = (
    "hoibench/*.py", "hoibench/datasets", "hoibench/geometry", "hoibench/store", "hoibench/video", "hoibench/weights", "splits",
)  # fmt: skip
"""What data sets are made by: .importlinter forbids them to know more."""
LIBRARIES = ("av", "diffusers", "numpy", "torch", "transformers")
UNUSED_SECONDS = 24 * 3600
"""After so long without a use, a folder is removed when the next one is built: every edit of the code leaves the old ones behind."""

used: dict[Path, dict[str, tuple[int, int]]] = {}
"""What this process was given, as ``files_state`` saw it then."""


def cached_folder(name: str, version: str, build: Callable[[Path], None], code: tuple[str, ...] = CODE) -> Path:
    """The folder that ``build`` fills, read-only for tests: to change something, copy it (``shutil.copytree``).

    A session fixture that prepares one clip becomes

        @pytest.fixture(scope="session")
        def prepared() -> Path:
            def build(folder: Path) -> None:
                prepare(folder, clip="20231102_070", size=(96, 128))

            return cached_folder("taco-prepared", "20231102_070-96x128", build)

    Every xdist worker gets the same folder; the first one builds it while the others wait. It appears whole or not at all. What is written must not
    hold the folder's own path (it is renamed when it is whole), and must depend on nothing but the code, ``version`` and other cached folders.

    Args:
        name: which thing this is, as a file name.
        version: what of it: the data set's version and all arguments of ``build`` that may differ. Code is accounted for: a folder is built anew
            when any source file of the packages or of tests/support has changed, so that a test never passes on what older code had built.
        build: fills the empty folder that it is given.
        code: the folders and patterns of files, from the repository's root, that decide what ``build`` writes; for data sets ``DATA_CODE``
            and the builder's own files, so that an edit of the model costs no new TACO tree.
    """
    key = hashlib.sha256(f"{version}\n{code_digest(code)}".encode()).hexdigest()[:16]
    folder = FOLDER / f"{name}-{key}"
    if folder in used:
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        if not _is_there(folder):
            _build(folder, build)
    used[folder] = files_state(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cached_folders_stay_as_they_are():
    """Fail, and remove the folder, where a test has written into one that tests share."""
    yield
    remove_changed(used)


def remove_changed(states: dict[Path, dict[str, tuple[int, int]]]) -> None:
    """Remove those folders whose files are not as they were, and raise AssertionError where there are any."""
    changed = [folder for folder, state in states.items() if files_state(folder) != state]
    for folder in changed:
        shutil.rmtree(folder)
    assert not changed, (
        f"a test wrote into {', '.join(map(str, changed))}: it must change a copy, and replace linked files"
    )


def files_state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file; a folder's own time tells its last use."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (status.st_size, status.st_mtime_ns)
        for path in files
        for status in [path.stat()]
    }


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _is_there(folder: Path) -> bool:
    """Whether the folder exists; notes that it was used now."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir()
    build(partial)
    partial.rename(folder)
    _is_there(folder)
    _remove_unused(folder)


def _remove_unused(newest: Path) -> None:
    for folder in FOLDER.iterdir():
        if folder == newest or not folder.is_dir() or not _is_unused(folder):
            continue
        with _lock(folder):
            if _is_unused(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_unused(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > UNUSED_SECONDS
    except FileNotFoundError:
        return False


@functools.cache
def code_digest(code: tuple[str, ...]) -> str:
    """A digest of what else decides a folder's content: source files, Python, and the libraries that write."""
    digest = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        digest.update(f"{library} {_version(library)}\n".encode())
    for pattern in code:
        for path in sorted(path for found in ROOT.glob(pattern) for path in (found, *found.rglob("*"))):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(str(path.relative_to(ROOT)).encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "none"
