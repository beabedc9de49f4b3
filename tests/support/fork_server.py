"""A server process that has imported torch and other slow libraries, and forks test processes: each starts in 0.1 s instead of 10 s.

    process = fork(["-m", "hoibench.run", "--method", "frozen"], imports="preimport_run", cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130

A test gets a real process with its own pid, working folder, environment and pipes. It is not a new interpreter: tests that need one (for a command's
imports, hash order, or variables that libraries read when they are imported) use ``subprocess``.
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
    """A process with the interface of ``subprocess.Popen`` with text pipes.

    Attributes:
        pid: the process id.
        returncode: the exit code, or minus the number of the signal that ended it; None before ``wait`` or ``poll`` has seen its end.
    """

    def __init__(self, connection: socket.socket, pipes: list[int], output: Path | None) -> None:
        self._connection = connection
        self._pipes = pipes
        self._output = output
        pid = connection.recv(64)
        if not pid:
            raise RuntimeError("the server process has ended: its error is printed above")
        self.pid = int(pid)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process and return its exit code; raise subprocess.TimeoutExpired after ``timeout`` seconds."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(64))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0) from None
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return stdout and stderr at the end of the process; raise subprocess.TimeoutExpired after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        written = dict.fromkeys(self._pipes, b"")
        with selectors.DefaultSelector() as ready:
            for pipe in self._pipes:
                ready.register(pipe, selectors.EVENT_READ)
            while ready.get_map():
                found = ready.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                if not found:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
                for key, _ in found:
                    if data := os.read(key.fd, 1 << 16):
                        written[key.fd] += data
                    else:
                        ready.unregister(key.fd)
                        os.close(key.fd)
        self._pipes = []
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        out, *err = [data.decode() for data in written.values()] or [""]
        return out, err[0] if err else ""

    @property
    def output_text(self) -> str:
        """The contents of the output file so far."""
        assert self._output, "the process has no output file: use communicate"
        return self._output.read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)


def fork(
    command: list[str], *, imports: str, cwd: Path | None = None, env: dict[str, str] | None = None, merge_stderr: bool = False,
    output: Path | None = None, start_new_session: bool = False,
) -> Forked:  # fmt: skip
    """Start a command in a separate process.

    Args:
        command: the arguments of ``python``: ``-m MODULE`` or a script, and its arguments.
        imports: the module that the server imports before it forks.
        cwd: the working folder. Default: this process's.
        env: the environment. Default: this process's.
        merge_stderr: send stderr to the pipe of stdout.
        output: a file for both streams, instead of pipes.
        start_new_session: as in ``subprocess.Popen``.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipes = [] if output else [os.pipe() for _ in range(1 if merge_stderr else 2)]
    request = {
        "command": [str(word) for word in command], "imports": imports, "cwd": str(cwd or Path.cwd()),
        "env": dict(os.environ if env is None else env), "new_session": start_new_session,
    }  # fmt: skip
    reads, writes = [read for read, _ in pipes], [write for _, write in pipes]
    if output:
        writes = [os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
    socket.send_fds(server(), [json.dumps(request).encode()], [theirs.fileno(), writes[0], writes[-1]])
    theirs.close()
    for write in writes:
        os.close(write)
    return Forked(ours, reads, output)


def fork_call(function: str, *arguments: Any, output: Path, env: Mapping[str, str] | None = None) -> Forked:
    """Start a process that calls a function and exits with its result, with the imports of the reference model.

    Args:
        function: ``module:function``.
        arguments: its arguments, as JSON values.
        output: a file for stdout and stderr.
        env: additional environment variables.
    """
    path = os.pathsep.join(filter(None, sys.path))
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | dict(env or {})
    command = [_CALL, function, json.dumps(arguments)]
    return fork(command, imports="preimport_model", env=env, output=output)


def fork_run(command: list[str], *, timeout: float = 600, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; see ``fork``. After ``timeout`` seconds, kill it and raise subprocess.TimeoutExpired."""
    process = fork(command, **options)
    try:
        out, err = process.communicate(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(command, process.wait(), out, err)


@functools.cache
def server() -> socket.socket:
    """Start the server of this process; it ends with this process."""
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
    """Fork a process for each request until the client ends; return only in the forked processes, with their command."""
    path = list(sys.path)
    with selectors.DefaultSelector() as ready:
        ready.register(requests, selectors.EVENT_READ, None)
        while True:
            for key, _ in ready.select():
                if key.data is None:
                    data, fds, _, _ = socket.recv_fds(requests, 1 << 20, 3)
                    if not data:
                        os._exit(0)
                    request = json.loads(data)
                    importlib.import_module(request["imports"])
                    if (pid := os.fork()) == 0:
                        for other in ready.get_map().values():
                            if other.data is not None:
                                os.close(other.fd)
                                other.data[1].close()
                        ready.close()
                        requests.close()
                        set_up_process(request, fds, path)
                        command: list[str] = request["command"]
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


def set_up_process(request: dict[str, Any], fds: list[int], path: list[str]) -> None:
    """Set working folder, environment, streams and arguments in a forked process, as a new interpreter would have them."""
    if request["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run as a background job of a shell
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    os.close(fds[0])
    for source, target in zip(fds[1:], (1, 2), strict=True):
        os.dup2(source, target)
    for fd in set(fds[1:]):
        os.close(fd)
    word, *rest = request["command"]
    first = request["cwd"] if word in ("-m", _CALL) else str(Path(word).parent)
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [first, *given, *path[3:]]  # without the server's script folder and two entries of PYTHONPATH
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    sys.argv = rest if word == "-m" else request["command"]


def run(command: list[str]) -> None:
    """Run a module or script, or call a function."""
    if command[0] == _CALL:
        module, name = command[1].split(":")
        sys.exit(getattr(importlib.import_module(module), name)(*json.loads(command[2])))
    if command[0] == "-m":
        sys.modules.pop(command[1], None)  # avoids runpy's warning about an imported module
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    run(serve(socket.socket(fileno=int(sys.argv[1]))))
