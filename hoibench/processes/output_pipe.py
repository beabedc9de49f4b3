"""The pipe through which the output of a worker's process, and of the processes that it starts, comes to an ``OutputLog``."""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import os
import selectors
import sys
import threading
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TextIO

from hoibench.processes.output_log import OutputLog

_CHUNK = 65536
_DRAIN_CHUNKS = 17  # above the size of a pipe, at most 1 MiB without special rights
_FIRST_SAVED = 100
"""Descriptors from this number on are rarely closed by code that closes its standard streams."""


class OutputPipe:
    """The end of the pipe that is read: always and by a thread, since a full pipe would block the worker.

    Attributes:
        writer: the other end; pass it to the process, then close it here.
    """

    def __init__(self, log: OutputLog) -> None:
        self._log = log
        self._reader, self.writer = Pipe(duplex=False)
        os.set_blocking(self._reader.fileno(), False)
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._read_until_end, name="worker output", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Read all output that was written before this call."""
        with self._lock, suppress(BlockingIOError):
            for _ in range(_DRAIN_CHUNKS):  # a process may write for ever
                if data := os.read(self._reader.fileno(), _CHUNK):
                    self._log.write(data)

    def close(self) -> None:
        """Read the rest of the output of processes that have ended, and stop reading."""
        self.drain()
        self._has_ended.set()
        self._thread.join()
        self._reader.close()

    def _read_until_end(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader.fileno(), selectors.EVENT_READ)
            while not self._has_ended.is_set():
                if not selector.select(timeout=0.2):
                    continue
                with self._lock:
                    try:
                        data = os.read(self._reader.fileno(), _CHUNK)
                    except BlockingIOError:  # drained
                        continue
                    if not data:
                        return
                    self._log.write(data)


class RedirectedOutput:
    """In a worker's process: sends descriptors 1 and 2, and with them Python's streams, C code and started processes, into the pipe."""

    def __init__(self, writer: Connection) -> None:
        self._saved = fcntl.fcntl(writer.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_SAVED)
        writer.close()
        self._streams: dict[str, TextIO] = {}
        self.restore()

    def restore(self) -> None:
        """Flush the streams, and open again what a call has closed or replaced."""
        self.flush()
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(self._saved, number)
            if name not in self._streams or self._streams[name].closed:
                stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
                self._streams[name] = stream
                setattr(sys, f"__{name}__", stream)
            setattr(sys, name, self._streams[name])
        faulthandler.enable(sys.stderr)  # a crash in native code leaves its stack

    def flush(self) -> None:
        """Write what Python and C code have buffered."""
        for stream in (sys.stdout, sys.stderr, *self._streams.values()):
            with suppress(Exception):  # closed or replaced by the call
                stream.flush()
        with suppress(Exception):
            ctypes.CDLL(None).fflush(None)
