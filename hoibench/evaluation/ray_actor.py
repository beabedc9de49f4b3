"""The part of a run on Ray that runs on the nodes of the cluster: a Ray actor with one worker process."""

from __future__ import annotations

import os
import platform
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hoibench import __version__
from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.unit_runner import UnitRunner
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import close_worker, start_worker
from hoibench.processes import OutputLog, Worker
from hoibench.processes.preloading import single_threaded_children

Message = tuple[str, Any]
"""``("step", value)``, ``("line", (label, line))``, and at the end ``("report", UnitReport)`` or ``("error", exception)``."""


@dataclass(frozen=True)
class NodeSetup:
    """The state of the process that runs ``hoibench run``, which the processes on the nodes take over.

    Attributes:
        out: the run's folder.
        token_file, token: a file in the run's folder, and the text in it, by which a node knows that it sees the same folder.
        paths: other files and folders that every node must have.
        folder: the working folder.
        variables: environment variables.
        import_paths: folders from which modules are imported.
        version: hoibench's version.
    """

    out: Path
    token_file: Path
    token: str
    paths: tuple[Path, ...]
    folder: Path
    variables: Mapping[str, str]
    import_paths: tuple[str, ...]
    version: str = __version__


def check_node(setup: NodeSetup) -> list[str]:
    """Return what this node lacks for the run; each text follows the node's name."""
    problems = []
    if setup.version != __version__:
        problems.append(f"has hoibench {__version__}, the run {setup.version}: install the same version on every node")
    try:
        seen = setup.token_file.read_text()
        with tempfile.NamedTemporaryFile(dir=setup.out, prefix=".tmp-"):
            pass
    except FileNotFoundError:
        seen = ""
    except OSError as error:
        return [*problems, f"cannot use the run's folder {setup.out}: {error.strerror}"]
    if seen != setup.token:
        problems.append(
            f"does not see the run's folder {setup.out}: give an --out on a file system that all nodes share"
        )
    problems += [
        f"has no {path}: put it on a file system that all nodes share" for path in setup.paths if not path.exists()
    ]
    return problems


class UnitActor:
    """A Ray actor that runs units in one process of its node, one at a time.

    The process is supervised as on one machine: its crash or a timeout fails the unit in progress, and everything that it has started ends with it.
    """

    def __init__(
        self,
        setup: NodeSetup,
        context: WorkerContext,
        entrant: str | None,
        timeout: float | None,
        number: int,
        has_listener: bool,
    ) -> None:
        os.environ.update(setup.variables)
        sys.path += [path for path in setup.import_paths if path not in sys.path]
        with suppress(OSError):
            os.chdir(setup.folder)
        self._setup = setup
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._output = OutputLog(self._send_line if has_listener else None)
        self._worker = Worker(
            start_worker, (context, entrant), threading.Event(), self._output, number,
            shielded=True,  # Ray kills the children of an actor that ends
        )  # fmt: skip
        self._runner = UnitRunner("score" if entrant is None else "generate", context, timeout)

    def start(self) -> tuple[str, str, list[str]]:
        """Return the id of this node, its name for messages, and what it lacks for the run."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return node, f"Ray node {platform.node()} ({node[:8]})", check_node(self._setup)

    def run(self, unit: Unit, entry: ClipEntry) -> Iterator[Message]:
        """Run a unit; yield the messages of its steps, its lines of output, and at the end its report or the error that stops the run."""
        thread = threading.Thread(target=self._run, args=(unit, entry), daemon=True)
        thread.start()
        while True:
            message = self._messages.get()
            yield message
            if message[0] in ("report", "error"):
                break
        thread.join()

    def close(self) -> None:
        """Close the method or the scorer, and end the process."""
        self._worker.close(close_worker)
        self._output.close()

    def _run(self, unit: Unit, entry: ClipEntry) -> None:
        try:
            with single_threaded_children():
                report = self._runner.run(self._worker, unit, entry, partial(self._send, "step"))
            self._send("report", report)
        except BaseException as error:
            self._send("error", error)

    def _send(self, kind: str, value: object) -> None:
        self._messages.put((kind, value))

    def _send_line(self, label: str, line: str) -> None:
        self._send("line", (label, line))
