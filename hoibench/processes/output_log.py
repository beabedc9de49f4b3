"""A log file with the output of a worker's process, limited in size."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

HEAD_BYTES = 256 * 1024
"""Bytes of a log's start that are kept."""

TAIL_BYTES = 256 * 1024
"""Bytes of a longer log's end that are kept; those between are left out."""

_REWRITE_SECONDS = 1.0
_RECENT_BYTES = 8192
_MAX_TAIL = 4000
_LINE_LIMIT = 4096
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")

OnLine = Callable[[str, str], None]
"""Callback for a line of output: (label, line)."""


class OutputLog:
    """Writes output to one file after another, each created with its first byte; the first and the last part of a long output are kept.

    A file that cannot be written, for example because the disk is full, is given up silently: the output must not block its process, and the next
    write of the run itself reports the disk.

    Args:
        on_line: called with the label and each line, without control characters.
    """

    def __init__(self, on_line: OnLine | None = None) -> None:
        self._on_line = on_line
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._label = ""
        self._line = b""
        self._recent = b""
        self._reset()

    def _reset(self) -> None:
        self._file: BinaryIO | None = None
        self._is_broken = False
        self._written = 0
        self._rest = bytearray()
        self._left_out = 0
        self._last_rewrite = 0.0

    def switch(self, path: Path | None, label: str = "") -> None:
        """Write what follows to another file, or nowhere for None; the same file goes on.  ``tail`` starts again."""
        with self._lock:
            self._finish_line()
            self._recent, self._label = b"", label
            if path != self._path:
                self._close()
                self._path = path

    def write(self, data: bytes) -> None:
        """Add output."""
        with self._lock:
            self._recent = (self._recent + data)[-_RECENT_BYTES:]
            self._report_lines(data)
            if self._path is None or self._is_broken:
                return
            try:
                self._write(data)
            except OSError:
                self._is_broken = True

    def tail(self, lines: int = 30) -> str:
        """Return the last lines since ``switch``, at most 4000 characters, without escape sequences and control characters."""
        with self._lock:
            return "\n".join(_to_lines(self._recent)[-lines:])[-_MAX_TAIL:]

    def close(self) -> None:
        """Write the end of the output and close the file."""
        self.switch(None)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            assert self._path is not None
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb", buffering=0)
        room = HEAD_BYTES - self._written
        if room > 0:
            self._file.write(data[:room])
            self._written += len(data[:room])
        self._rest += data[max(0, room) :]
        if len(self._rest) > 2 * TAIL_BYTES:
            self._shorten()
        if self._rest and time.monotonic() - self._last_rewrite >= _REWRITE_SECONDS:
            self._rewrite_rest()

    def _shorten(self) -> None:
        surplus = max(0, len(self._rest) - TAIL_BYTES)
        self._left_out += surplus
        del self._rest[:surplus]

    def _rewrite_rest(self) -> None:
        """Write the part after the first HEAD_BYTES again."""
        assert self._file is not None
        self._shorten()
        note = f"\n[... {self._left_out} bytes left out ...]\n".encode() if self._left_out else b""
        self._file.seek(HEAD_BYTES)
        self._file.write(note + self._rest)
        self._file.truncate()
        self._last_rewrite = time.monotonic()

    def _close(self) -> None:
        if self._file is not None:
            try:
                if self._rest and not self._is_broken:
                    self._rewrite_rest()
                self._file.close()
            except OSError:
                pass
        self._reset()

    def _report_lines(self, data: bytes) -> None:
        if self._on_line is None:
            return
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > _LINE_LIMIT:
            lines, self._line = [*lines, self._line], b""
        for text in (text for line in lines for text in _to_lines(line[-_LINE_LIMIT:])):
            self._on_line(self._label, text)

    def _finish_line(self) -> None:
        if self._line:
            self._report_lines(b"\n")


def _to_lines(data: bytes) -> list[str]:
    """Return the lines of an output without empty ones, escape sequences and control characters; a carriage return ends a line."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace")).replace("\t", "    ")
    lines = ("".join(c for c in line if c.isprintable()).rstrip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if line]
