"""A pseudo-terminal with a process on it, and what a person sees there."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

from fork_server import Forked, fork

_PARTS = re.compile(r"\x1b\[([0-?]*)([@-~])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """The lines of a terminal, for the few escape sequences that progress displays use: cursor up, and erase a line."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[str] = [""]
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Write text; what does not fit into a line goes on in the next one."""
        for number, code, control, plain in _PARTS.findall(text):
            if code == "A":
                self._row = max(0, self._row - int(number or 1))
            elif code == "K":
                self.lines[self._row] = ""
            elif control == "\r":
                self._column = 0
            elif control == "\n":
                self._next_row()
            for character in plain:
                if self._column == self.columns:
                    self._next_row()
                    self._column = 0
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
                self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    @property
    def text(self) -> str:
        """The lines that are not empty."""
        return "\n".join(line.rstrip() for line in self.lines if line.strip())


def fork_on_terminal(
    command: list[str], columns: int, *, cwd: Path, env: dict[str, str]
) -> tuple[Forked, Iterator[str]]:
    """Start a run on a pseudo-terminal; return the process and its output as it comes."""
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = fork(command, imports="preimport_run", cwd=cwd, env=env, output=Path(os.ttyname(theirs)))
    os.close(theirs)

    def read() -> Iterator[str]:
        try:
            while data := os.read(ours, 65536):
                yield data.decode("utf-8", "replace")
        except OSError:  # the other end was closed
            pass
        finally:
            os.close(ours)

    return process, read()
