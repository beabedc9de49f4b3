"""Processes forked from an interpreter that has torch, diffusers and deepspeed: each starts in a tenth of a second instead of ten.

    process = Forked("reference_model.prepare:main", [...], output=tmp_path / "told")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75

A process shares nothing with the one that starts it: memory, signals, environment and output are its own, and it may be killed.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["imported_before_forking"])


class Forked:
    """A process that calls a function and exits with what it returns, as ``sys.exit(function(*arguments))`` does.

    Args:
        function: ``module:function``.
        arguments: of it; they are pickled.
        output: the file that gets what the process writes, both streams.
        environment: variables to set.
    """

    def __init__(
        self, function: str, *arguments: Any, output: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._output = output
        given = (function, arguments, str(output), dict(environment or {}))
        self._process = _CONTEXT.Process(target=_call, args=given, daemon=True)
        path = os.pathsep.join(filter(None, sys.path))
        with patch.dict(
            os.environ, {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        ):  # of the first process, which all others are forked from
            self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative the signal that killed it, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float = 240) -> int:
        """The exit code, once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"it has not ended after {timeout} s, and wrote: {self.told[-3000:]}")
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    @property
    def told(self) -> str:
        """What it has written."""
        return self._output.read_text()


def _call(function: str, arguments: tuple[Any, ...], output: str, environment: dict[str, str]) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    for name in ("stdout", "stderr"):  # not those of the process that all are forked from
        setattr(sys, name, os.fdopen(os.dup(("stdout", "stderr").index(name) + 1), "w", buffering=1))
    logging.root.handlers.clear()
    os.environ.update(environment)
    module, name = function.split(":")
    sys.exit(getattr(importlib.import_module(module), name)(*arguments))
