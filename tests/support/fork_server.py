"""Processes that are forked from one which has imported torch and all that takes seconds: each starts in a tenth of a second instead of ten.

    process = fork(["-m", "hoibench.run", "--method", "frozen"], imports="run_imports", cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130

A test gets a real process: own pid, working folder, environment and pipes, to be killed, stopped or waited for. It is not a fresh interpreter: what
depends on that (what a command imports, hash order, variables that libraries read when they are imported) is tested by ``subprocess``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
_CALL = "--call"


class Forked:
    """A process, as ``subprocess.Popen`` has it with pipes of text.

    Attributes:
        pid: its number.
        returncode: its exit code, minus the signal's number where a signal ended it; None while nobody has asked, or it lives.
    """

    def __init__(self, connection: socket.socket, pipes: list[int], output: Path | None) -> None:
        self._connection = connection
        self._pipes = pipes
        self._output = output
        pid = connection.recv(64)
        if not pid:
            raise RuntimeError("the process to fork from has ended: its error stands above")
        self.pid = int(pid)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once the process has ended; subprocess.TimeoutExpired if that takes longer."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(64))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0) from None
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit code, or None while the process lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What the process wrote to stdout and stderr until its end; subprocess.TimeoutExpired if that takes longer."""
        ends = None if timeout is None else time.monotonic() + timeout
        said = dict.fromkeys(self._pipes, b"")
        with selectors.DefaultSelector() as ready:
            for pipe in self._pipes:
                ready.register(pipe, selectors.EVENT_READ)
            while ready.get_map():
                found = ready.select(None if ends is None else max(0.0, ends - time.monotonic()))
                if not found:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
                for key, _ in found:
                    if data := os.read(key.fd, 1 << 16):
                        said[key.fd] += data
                    else:
                        ready.unregister(key.fd)
                        os.close(key.fd)
        self._pipes = []
        self.wait(None if ends is None else max(0.0, ends - time.monotonic()))
        out, *err = [data.decode() for data in said.values()] or [""]
        return out, err[0] if err else ""

    @property
    def told(self) -> str:
        """What it has written to the file that was asked for."""
        assert self._output, "no file was asked for: see communicate"
        return self._output.read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def fork(
    command: list[str], *, imports: str, cwd: Path | None = None, env: dict[str, str] | None = None, merged: bool = False,
    output: Path | None = None, start_new_session: bool = False,
) -> Forked:  # fmt: skip
    """Start a command in a process of its own.

    Args:
        command: what follows ``python`` on a command line: ``-m MODULE`` or a script, and its arguments.
        imports: the module that holds all imports of the command; the server has it imported before it forks.
        cwd: the working folder, else this process's.
        env: the environment, else this process's.
        merged: whether stderr goes where stdout goes.
        output: a file for both, in place of pipes.
        start_new_session: as in ``subprocess.Popen``.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipes = [] if output else [os.pipe() for _ in range(1 if merged else 2)]
    asked = {
        "command": [str(word) for word in command], "imports": imports, "cwd": str(cwd or Path.cwd()),
        "env": dict(os.environ if env is None else env), "new_session": start_new_session,
    }  # fmt: skip
    reads, writes = [read for read, _ in pipes], [write for _, write in pipes]
    if output:
        writes = [os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
    socket.send_fds(server(), [json.dumps(asked).encode()], [theirs.fileno(), writes[0], writes[-1]])
    theirs.close()
    for write in writes:
        os.close(write)
    return Forked(ours, reads, output)


def fork_call(function: str, *arguments: Any, output: Path, env: Mapping[str, str] | None = None) -> Forked:
    """Start a process that exits with what a function returns, with the imports of the reference model.

    Args:
        function: ``module:function``.
        arguments: of it, as JSON has them.
        output: the file that gets what the process writes, both streams.
        env: variables to set.
    """
    path = os.pathsep.join(filter(None, sys.path))
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | dict(env or {})
    command = [_CALL, function, json.dumps(arguments)]
    return fork(command, imports="imported_before_forking", env=env, output=output)


def fork_run(command: list[str], *, timeout: float = 600, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; see ``fork``. A process that takes longer is killed and raises subprocess.TimeoutExpired."""
    process = fork(command, **options)
    try:
        out, err = process.communicate(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(command, process.wait(), out, err)


@functools.cache
def server() -> socket.socket:
    """Start this process's server; it ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)]),
    }
    command = [sys.executable, __file__, str(theirs.fileno())]
    subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True)
    theirs.close()
    return ours


def serve(requests: socket.socket) -> list[str]:
    """Fork a process for each request until the client is gone; returns only in those processes: their command."""
    path = list(sys.path)
    with selectors.DefaultSelector() as ready:
        ready.register(requests, selectors.EVENT_READ, None)
        while True:
            for key, _ in ready.select():
                if key.data is None:
                    data, fds, _, _ = socket.recv_fds(requests, 1 << 20, 3)
                    if not data:
                        os._exit(0)
                    asked = json.loads(data)
                    importlib.import_module(asked["imports"])
                    if (pid := os.fork()) == 0:
                        for other in ready.get_map().values():
                            if other.data is not None:
                                os.close(other.fd)
                                other.data[1].close()
                        ready.close()
                        requests.close()
                        become(asked, fds, path)
                        command: list[str] = asked["command"]
                        return command
                    connection = socket.socket(fileno=fds[0])
                    connection.send(str(pid).encode())
                    for fd in fds[1:]:
                        os.close(fd)
                    ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
                else:
                    pid, connection = key.data
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    with contextlib.suppress(BrokenPipeError, ConnectionError), connection:
                        connection.send(str(code).encode())


def become(asked: dict[str, Any], fds: list[int], path: list[str]) -> None:
    """Make this process, new from the fork, what a new interpreter would be in the folder and environment asked for."""
    if asked["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would we
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    os.close(fds[0])
    for source, target in zip(fds[1:], (1, 2), strict=True):
        os.dup2(source, target)
    for fd in set(fds[1:]):
        os.close(fd)
    word, *rest = asked["command"]
    first = asked["cwd"] if word in ("-m", _CALL) else str(Path(word).parent)
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [first, *given, *path[3:]]  # the server's own are the script's folder and its two of PYTHONPATH
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    sys.argv = rest if word == "-m" else asked["command"]


def run(command: list[str]) -> None:
    """Run a module or script as Python would, or call a function."""
    if command[0] == _CALL:
        module, name = command[1].split(":")
        sys.exit(getattr(importlib.import_module(module), name)(*json.loads(command[2])))
    if command[0] == "-m":
        sys.modules.pop(command[1], None)  # else runpy warns that it was imported before
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    run(serve(socket.socket(fileno=int(sys.argv[1]))))
