"""A command that runs in a process tree of its own, with limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoibench.processes import WorkerCrash, call_once
from hoibench.processes.messages import describe_exit

_OWN_VARIABLES = (
    "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
"""Environment variables of this process that do not hold in another environment."""


class CommandFailed(RuntimeError):
    """A command has not ended well; the message says why."""


@dataclass(frozen=True)
class Limits:
    """Limits of a command.

    Attributes:
        seconds: the time limit; None for none.
        memory_bytes: the most memory that each of its processes may allocate; None for no limit.  Address space that is only reserved does not count;
            CUDA reserves hundreds of gigabytes.
        file_bytes: the size of the largest file that it may write; None for no limit.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None


def outer_environment() -> dict[str, str]:
    """Return the environment variables without those that hold for this process's Python alone, for a program in another environment."""
    return {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}


def run_command(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], limits: Limits) -> None:
    """Run a command until it ends, with closed standard input; then everything that it has started is ended.

    What it prints goes to the standard output and error of this process.

    Args:
        argv: program and arguments; no shell reads them.
        cwd: the working folder.
        env: the environment.
        limits: the limits.

    Raises:
        CommandFailed: it cannot be started, or has ended with another exit code than 0.
        TimeoutError: it has taken too long.
    """
    try:
        code = call_once(_run, tuple(argv), cwd, dict(env), limits, timeout=limits.seconds)
    except (WorkerCrash, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise CommandFailed(f"{argv[0]}: {error}") from error
    if code == -signal.SIGXFSZ:
        raise CommandFailed(
            f"{argv[0]}: it has written a file of {limits.file_bytes} bytes, all that the disk has free"
        )
    if code != 0:
        raise CommandFailed(f"{argv[0]}: {describe_exit(code)}")


def _run(argv: tuple[str, ...], cwd: Path, env: dict[str, str], limits: Limits) -> int:
    """Set the limits of this process, and run the command as its child; return its exit code."""
    import resource  # not on Windows

    for kind, limit in ((resource.RLIMIT_DATA, limits.memory_bytes), (resource.RLIMIT_FSIZE, limits.file_bytes)):
        if limit is not None:
            _, hard = resource.getrlimit(kind)
            most = min(limit, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
            resource.setrlimit(kind, (most, most))
    return subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
