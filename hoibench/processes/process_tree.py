"""A process tree that ends as a whole.

The process that wants a worker starts a *supervisor*, a small process that forks the worker.  On Linux the supervisor adopts every descendant of the
worker whose parent ends, so that none can leave the tree, not even by a double fork or setsid.  When the worker ends, when it shall end, or when the
first process has ended in whatever way, the supervisor kills all descendants and ends itself.  Elsewhere the worker's process group is killed.

Some programs, such as Ray, kill the children of a process that ends, or its process group, and with them the supervisor before it has done its work.
Against that the tree may be *shielded*: the child of the first process only waits, and its own child, in a session of its own, is the supervisor.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hoibench.processes.preloading import no_interrupt, process_context

TERMINATE_SECONDS = 2.0
"""Time that a worker has to end itself after SIGTERM."""

KILL_SECONDS = 5.0
"""Time limit for killing all descendants."""

_POLL_SECONDS = 0.05
_IS_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>


class ProcessTree:
    """A process with all its descendants, seen from the process that started it; not for use by several threads at once.

    The process runs ``function(*arguments)`` with the environment ``variables``; the function must not start threads when its module is imported: the
    process is forked after the import.  With ``preloaded`` it may have the modules of ``start_preloading``; ``shielded``: see above.
    """

    def __init__(
        self,
        function: Callable[..., None],
        *arguments: Any,
        variables: Mapping[str, str],
        preloaded: bool = False,
        shielded: bool = False,
    ) -> None:
        context: Any = process_context(preloaded=preloaded)
        self._control, control = context.Pipe()
        call = control, dict(variables), shielded, function, arguments
        self._supervisor = context.Process(target=_supervise, args=call, daemon=True)
        with no_interrupt():
            self._supervisor.start()
        control.close()
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """Return the process's exit code once it and all its descendants have ended, else None; minus the signal's number after a signal."""
        if self._supervisor.exitcode is None:
            return None
        with suppress(EOFError, OSError):
            while self._exit_code is None:
                self._exit_code = self._control.recv()
        # A supervisor that was killed has reported nothing, and its worker was killed with it.
        return self._supervisor.exitcode if self._exit_code is None else self._exit_code

    def end_orphans(self) -> None:
        """End descendants that have detached themselves from the process: their parent has ended."""
        self._request("end orphans")

    def keep_descendants(self) -> None:
        """Exempt the descendants of this moment, and those that they start, from ``end_orphans``."""
        self._request("keep descendants")

    def _request(self, request: str) -> None:
        with suppress(EOFError, OSError):
            self._control.send(request)
            while not self._control.poll(_POLL_SECONDS):
                if self._supervisor.exitcode is not None:
                    return
            self._exit_code = self._control.recv()

    def end(self) -> None:
        """End the process and all its descendants."""
        with suppress(OSError):
            self._control.send("end")
        self._supervisor.join(TERMINATE_SECONDS + 2 * KILL_SECONDS)
        if self._supervisor.exitcode is None:
            self._supervisor.kill()
            self._supervisor.join()
        self._control.close()


def _supervise(
    control: Connection,
    environment: dict[str, str],
    is_shielded: bool,
    function: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """Fork the worker, wait until the tree must end, and end it; the worker returns from here when its function returns."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process, which ends the tree
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.clear()  # a process that was forked has that of the fork server
    os.environ.update(environment)
    if is_shielded and _IS_LINUX:
        _move_to_child()
    supervisor = os.getpid()
    if _IS_LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker == 0:
        control.close()
        _become_worker(supervisor)
        function(*arguments)
        return
    spared = {worker}
    is_ending = False

    def end(*_: object) -> None:
        nonlocal is_ending
        is_ending = True

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, end)
    code = None
    while code is None and not is_ending and parent.is_alive():
        if control.poll(_POLL_SECONDS):
            try:
                request = control.recv()
                if request == "end":
                    break
                if request == "keep descendants":
                    spared.update(find_descendants(os.getpid()))
                else:
                    _kill_descendants(spared)
                control.send(None)
            except (EOFError, OSError):
                break
        code = _reap(worker)
    if code is None:
        code = _terminate(worker)
    _kill_descendants()
    if not _IS_LINUX:
        with suppress(OSError):
            os.killpg(worker, signal.SIGKILL)
    with suppress(OSError):
        control.send(-signal.SIGKILL if code is None else code)


def _move_to_child() -> None:
    """Go on in a child with a session of its own, which gets SIGTERM when this process ends; this process waits for it and ends."""
    waiting = os.getpid()
    child = os.fork()
    if child != 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != waiting:
        os._exit(1)


def _become_worker(supervisor: int) -> None:
    multiprocessing.current_process().daemon = False  # it may start processes
    if not _IS_LINUX:
        os.setpgid(0, 0)
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _terminate(worker: int) -> int | None:
    """Ask the worker to end, and return its exit code if it does so in time."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGTERM)
    deadline = time.monotonic() + TERMINATE_SECONDS
    while (code := _reap(worker)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return code


def _reap(worker: int) -> int | None:
    """Take the exit codes of children that have ended; return the worker's if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == worker:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _kill_descendants(spared: Collection[int] = ()) -> None:
    """Kill all descendants of this process except some with their descendants, and wait until the others have ended, or for KILL_SECONDS."""
    deadline = time.monotonic() + KILL_SECONDS
    while (found := find_descendants(os.getpid(), spared)) and time.monotonic() < deadline:
        _signal(found, signal.SIGSTOP)  # a stopped process starts no others
        _signal(find_descendants(os.getpid(), spared), signal.SIGKILL)
        time.sleep(0.005)
        for process in found:
            with suppress(ChildProcessError):  # not a child of this process, yet
                os.waitpid(process, os.WNOHANG)


def _signal(processes: list[int], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def find_descendants(root: int, excluded: Collection[int] = ()) -> list[int]:
    """Return the ids of a process's descendants, without some with their descendants, from /proc; none where there is no /proc."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children[int(path.read_bytes().rpartition(b")")[2].split()[1])].append(int(path.parent.name))
    found = []
    waiting = [root]
    while waiting:
        new = [child for child in children[waiting.pop()] if child not in excluded]
        found += new
        waiting += new
    return found
