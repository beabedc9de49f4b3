"""One worker process that runs calls of module-level functions."""

from __future__ import annotations

import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from hoibench.processes.messages import MessageHandler, describe_exit, handle_messages
from hoibench.processes.output_log import OutputLog
from hoibench.processes.output_pipe import OutputPipe, RedirectedOutput
from hoibench.processes.process_tree import ProcessTree

R = TypeVar("R")

CLOSE_SECONDS = 60.0
"""Time limit of a worker's last call."""

EXIT_SECONDS = 5.0
"""Time that a process has to end by itself after its last call; it may have threads that do not end."""

_POLL_SECONDS = 0.2
_MAX_STARTS = 4


class WorkerCrash(RuntimeError):
    """A worker's process ended during a call."""


class PoolStopped(RuntimeError):
    """The pool was stopped during a call."""


class _Ended(Exception):
    """The process has ended; the argument is its exit code."""


@dataclass
class Worker:
    """One process that runs calls one at a time; after a crash or a timeout the next call gets a new process.

    Every process that a call starts and detaches ends with the call, unless it is made with ``keeps_processes``, and every other one with the
    worker's process.

    Attributes:
        initializer: a module-level function that initializes the process.
        arguments: arguments of ``initializer``.
        stop: set to abandon calls in progress.
        output: takes the output of the process and of those that it starts; None leaves it on the terminal.  When a call has ended, all that it has
            printed is there.
        number: its number in a pool, from 0.
        preloaded: True to fork its process from that of ``start_preloading``, if it was called.
        variables: further environment variables of its process.
        shielded: True if the children of this process may be killed when it ends; see ``process_tree``.
    """

    initializer: Callable[..., None]
    arguments: tuple[Any, ...]
    stop: threading.Event
    output: OutputLog | None = None
    number: int = 0
    preloaded: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    shielded: bool = False
    _tree: ProcessTree | None = field(default=None, init=False)
    _connection: Any = field(default=None, init=False)
    _pipe: OutputPipe | None = field(default=None, init=False)

    def call(
        self,
        function: Callable[..., R],
        *arguments: Any,
        timeout: float | None = None,
        on_message: MessageHandler | None = None,
        keeps_processes: bool = False,
    ) -> R:
        """Call a module-level function in the process and return its result.

        Args:
            function: the function.
            arguments: its arguments.
            timeout: a time limit in seconds.
            on_message: called in this process, in the calling thread, with each value that the function gives to ``send``.
            keeps_processes: True to let all processes that run at the end of the call, such as a server, live as long as the worker's process.

        Raises:
            WorkerCrash: the process ended during the call.
            TimeoutError: the call took over ``timeout`` seconds; the process was ended.
            PoolStopped: the pool was stopped.
            Exception: from the function, or from ``initializer``.  One that cannot be sent is a RuntimeError with its type and message.
        """
        call = pickle.dumps((function, arguments))
        self._start_call(call)
        try:
            kind, value = self._receive(on_message, timeout)
        except _Ended as ended:
            self._end()
            raise WorkerCrash(describe_exit(*ended.args)) from None
        except TimeoutError:
            self._end()
            raise
        assert self._tree is not None
        if keeps_processes:
            self._tree.keep_descendants()
        else:
            self._tree.end_orphans()
        if self._pipe is not None:
            self._pipe.drain()
        result: Any = pickle.loads(value)  # noqa: S301  (from our own process)
        if kind == "error":
            raise result
        return result  # type: ignore[no-any-return]

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End the process; if it was started and the pool was not stopped, make a last call first, and let the process end by itself."""
        if self._tree is not None and last is not None and not self.stop.is_set():
            with suppress(Exception):
                self.call(last, timeout=CLOSE_SECONDS)
                self._connection.send_bytes(b"")
            deadline = time.monotonic() + EXIT_SECONDS
            while self._is_running() and time.monotonic() < deadline and not self.stop.is_set():
                time.sleep(_POLL_SECONDS / 10)
        self._end()

    def _start_call(self, call: bytes) -> None:
        """Send a call to the process, which is started if there is none; a process that ends before it begins the call is replaced."""
        code = 0
        for _ in range(_MAX_STARTS):
            try:
                if self._tree is None:
                    self._start_process()
                    self._receive(None, None)
                with suppress(OSError):  # it has ended, which the next line finds
                    self._connection.send_bytes(call)
                self._receive(None, None)
            except _Ended as ended:
                (code,) = ended.args
                self._end()
            else:
                return
        raise WorkerCrash(f"its process failed to start {_MAX_STARTS} times; the last time {describe_exit(code)}")

    def _start_process(self) -> None:
        self._connection, connection = Pipe()
        self._pipe = None if self.output is None else OutputPipe(self.output)
        writer = None if self._pipe is None else self._pipe.writer
        start = pickle.dumps((self.initializer, self.arguments))
        variables = {**os.environ, **self.variables}
        self._tree = ProcessTree(
            run_calls, connection, start, writer,
            variables=variables, preloaded=self.preloaded, shielded=self.shielded,
        )  # fmt: skip
        for end in filter(None, (connection, writer)):
            end.close()

    def _receive(self, on_message: MessageHandler | None, timeout: float | None) -> tuple[str, Any]:
        """Wait for the next answer of the process; values that it sends before are given to ``on_message``."""
        assert self._tree is not None
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))
            code = self._tree.poll()
            if self._connection.poll(0 if code is not None else left):
                try:
                    kind, value = self._connection.recv()
                except (EOFError, OSError):  # it ends; its exit code follows
                    time.sleep(_POLL_SECONDS / 10)
                else:
                    if kind != "message":
                        return kind, value
                    if on_message is not None:
                        on_message(pickle.loads(value))  # noqa: S301  (from our own process)
                    continue
            if code is not None:
                raise _Ended(code)
            if self.stop.is_set():
                raise PoolStopped
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"no result within {timeout:g} s")

    def _is_running(self) -> bool:
        return self._tree is not None and self._tree.poll() is None

    def _end(self) -> None:
        if self._tree is not None:
            self._tree.end()
            self._connection.close()
            if self._pipe is not None:
                self._pipe.close()
            self._tree = self._connection = self._pipe = None


def call_once(
    function: Callable[..., R], *arguments: Any, timeout: float | None = None, output: OutputLog | None = None
) -> R:
    """Call a module-level function in a process of its own, which ends with the call and everything that it has started.

    Args:
        function: the function.
        arguments: its arguments.
        timeout: a time limit in seconds.
        output: takes what the process prints; None leaves it on the terminal.

    Raises:
        WorkerCrash: the process ended during the call.
        TimeoutError: the call took over ``timeout`` seconds.
        Exception: from the function.
    """
    worker = Worker(_do_nothing, (), threading.Event(), output)
    try:
        return worker.call(function, *arguments, timeout=timeout)
    finally:
        worker.close()


def _do_nothing() -> None:
    """Initialize nothing."""


def run_calls(connection: Connection, start: bytes, writer: Connection | None) -> None:
    """Run the calls that arrive on a connection until an empty one does; the main function of a worker's process."""
    output = None if writer is None else RedirectedOutput(writer)
    start_error: BaseException | None = None
    lock = threading.Lock()  # threads of a call may send values

    def answer(kind: str, value: object = None) -> None:
        data = pickle.dumps(value)
        if output is not None and kind != "message":
            output.restore()
        with lock:
            connection.send((kind, data))

    with handle_messages(lambda value: answer("message", value)):
        try:
            initializer, arguments = pickle.loads(start)  # noqa: S301  (from our own process)
            initializer(*arguments)
        except BaseException as error:
            start_error = error
        answer("ready")
        while call := _next_call(connection):
            answer("started")
            try:
                if start_error is not None:
                    raise start_error
                function, arguments = pickle.loads(call)  # noqa: S301  (from our own process)
                with end_forks():
                    result = function(*arguments)
                answer("result", result)
            except BaseException as error:
                answer("error", _sendable(error))


@contextmanager
def end_forks() -> Iterator[None]:
    """End every process that the block has forked and that leaves the block, where it would go on as if it were this process."""
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(1)


def _next_call(connection: Connection) -> bytes:
    try:
        return connection.recv_bytes()
    except EOFError:
        return b""


def _sendable(error: BaseException) -> Exception:
    """Return the error with its traceback as a note; one that cannot be sent, or would end the receiver, as a RuntimeError."""
    trace = "".join(traceback.format_exception(error))
    copy: object = None
    with suppress(Exception):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (made here)
    if not isinstance(copy, Exception) or type(copy) is not type(error):
        try:
            text = str(error)
        except Exception:
            text = "its message cannot be formatted"
        copy = RuntimeError(f"{type(error).__name__}: {text}".rstrip(": "))
    copy.add_note(f"In the worker's process:\n{trace}")
    return copy
