"""A command that runs in a process tree of its own, with limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class CommandFailed(RuntimeError):
    """A command has not ended well; the message says why."""


@dataclass(frozen=True)
class Limits:
    """Limits of a command.

    Attributes:
        seconds: the time limit; None for none.
        memory_bytes: the most memory that a process of the command may allocate; None for no limit.
        file_bytes: the size of the largest file that it may write; None for no limit.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None


def run_command(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], limits: Limits) -> None:
    """Run a command until it ends, with closed standard input; then everything that it has started is ended.

    What it prints goes to the standard output of this process.

    Args:
        argv: program and arguments; no shell reads them.
        cwd: the working folder.
        env: the environment.
        limits: the limits.

    Raises:
        CommandFailed: it cannot be started, has ended with another exit code than 0, or has taken too long.
    """
    raise NotImplementedError
