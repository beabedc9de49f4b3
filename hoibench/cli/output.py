"""Where commands write: standard output, which holds the result alone, and the files named by flags."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hoibench.problems import Problem, raise_if_any
from hoibench.text import printable


class TextConsole(Console):
    """A console that replaces the unprintable characters of texts, which may be those of a stranger's run."""

    def __init__(self, *, width: int | None = None, stderr: bool = False) -> None:
        super().__init__(width=width, stderr=stderr, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable, with printable texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class StatusConsole(TextConsole):
    """A console on standard error for progress and messages; when nobody reads it any more, it goes silent and the command continues."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Go silent; rich would end the process with code 1."""
        self.quiet = True


@contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Yield standard output for the command's result; all else that is written to it inside the block, also by C code, goes to standard error."""
    stdout = sys.stdout
    stdout.flush()
    if not _is_descriptor_1(stdout):  # replaced, e.g. by a test that reads it
        with redirect_stdout(sys.stderr):
            yield stdout
        return
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(saved, "w", encoding="utf-8", closefd=False) as result, redirect_stdout(sys.stderr):
            yield result
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def print_result(text: str, stdout: TextIO) -> None:
    """Print a command's result; a reader that has closed the pipe, such as ``head -1``, has read enough."""
    try:
        print(text, file=stdout, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout.fileno())  # else the stream's end fails again
        os.close(nowhere)


def _is_descriptor_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):
        return False


def check_writable(flag: str, path: Path) -> None:
    """Check that the file named by a flag can be written, without changing it.

    Raises:
        ValueError: names the flag, the path, the reason and the fix.
    """
    if path.exists():
        try:
            path.open("ab").close()
            return
        except OSError as error:
            reason: str | None = f"cannot be written ({error.strerror or error})"
    else:
        from hoibench.store.atomic import find_folder_problem  # imports numpy

        reason = find_folder_problem(path)
    if reason:
        raise_if_any([Problem(f"{flag} {path}", "", reason, "", "give a writable path")])
