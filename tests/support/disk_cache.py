"""A cache on disk of expensive folders that tests share, built once per version of the code.

All test workers, all environments of ``.ci/run`` and later test runs use the same folders.
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
"""The folder of the cache, fixed here because tests change HOIBENCH_CACHE."""

CODE = ("baselines", "hoibench", "leaderboard", "reference_model", "splits", "tests/support")
DATA_CODE = (
    "hoibench/*.py", "hoibench/datasets", "hoibench/geometry", "hoibench/store", "hoibench/video", "hoibench/weights", "splits",
)  # fmt: skip
"""The code that data sets depend on, as .importlinter enforces."""
LIBRARIES = ("av", "diffusers", "numpy", "torch", "transformers")
UNUSED_SECONDS = 24 * 3600
"""Folders unused for this long are removed when another one is built, since every edit of the code leaves old ones behind."""

used: dict[Path, dict[str, tuple[int, int]]] = {}
"""The folders that this process uses, with their ``files_state`` at that time."""


def cached_folder(name: str, version: str, build: Callable[[Path], None], code: tuple[str, ...] = CODE) -> Path:
    """Return a folder with the files that ``build`` writes.  Tests must not change it; copy it instead (``shutil.copytree``).

    Example of a session fixture that prepares one clip:

        @pytest.fixture(scope="session")
        def prepared() -> Path:
            def build(folder: Path) -> None:
                prepare(folder, clip="20231102_070", size=(96, 128))

            return cached_folder("taco-prepared", "20231102_070-96x128", build)

    All xdist workers get the same folder; the first one builds it while the others wait. The folder is complete or absent. The files must not
    contain the folder's path, since it is renamed when it is complete, and may depend only on the code, ``version`` and other cached folders.

    Args:
        name: the folder's name.
        version: the data set's version and all arguments of ``build`` that may differ.
        build: writes files into the empty folder that it receives.
        code: folders and file patterns, relative to the repository's root, that ``build`` depends on; the folder is built again when one of
            these files changes. For data sets: ``DATA_CODE`` and the builder's own files.
    """
    key = hashlib.sha256(f"{version}\n{code_digest(code)}".encode()).hexdigest()[:16]
    folder = FOLDER / f"{name}-{key}"
    if folder in used:
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        if not _touch(folder):
            _build(folder, build)
    used[folder] = files_state(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _check_cached_folders():
    """Fail, and remove the folder, if a test has changed a shared folder."""
    yield
    remove_changed(used)


def remove_changed(states: dict[Path, dict[str, tuple[int, int]]]) -> None:
    """Remove the folders whose files have changed; raise AssertionError if there are any."""
    changed = [folder for folder, state in states.items() if files_state(folder) != state]
    for folder in changed:
        shutil.rmtree(folder)
    assert not changed, (
        f"a test wrote into {', '.join(map(str, changed))}: it must change a copy, and replace linked files"
    )


def files_state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and modification time of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (status.st_size, status.st_mtime_ns)
        for path in files
        for status in [path.stat()]
    }


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _touch(folder: Path) -> bool:
    """Mark the folder as used now; return False if it does not exist."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
    partial.mkdir()
    build(partial)
    partial.rename(folder)
    _touch(folder)
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
    """Return a digest of source files, the Python version, and the versions of libraries that write files."""
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
