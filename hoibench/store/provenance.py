"""Provenance: the code, libraries, machine and command that produced a result."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "torch", "torchvision", "kornia", "av", "opencv-python-headless", "trimesh", "embreex")


def provenance() -> dict[str, Any]:
    """Return facts about this process as JSON values: time, git state, Python, platform, hardware, command line and versions of libraries.

    The libraries are not imported.
    """
    from hoibench import __version__

    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "hoibench": __version__,
        "git": git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hardware": f"{platform.processor() or platform.machine()}, {os.cpu_count()} logical cores",
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
        "command": shlex.join(["python", *_command(sys.orig_argv)]),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the ``commit`` of the git checkout that tracks files in ``folder``, and ``dirty``: True if tracked files have uncommitted changes.

    Returns None if no checkout tracks files there, or git fails or is missing.
    """
    try:
        if not _git(folder, "ls-files", "."):  # installed inside an unrelated checkout
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  (fixed words, no shell)
        ["git", "-C", str(folder), *arguments],  # noqa: S607  (the user's own git)
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _command(words: list[str]) -> list[str]:
    return words[1:] if words else []
