"""Messages from a call in a worker's process to the process that made it, and texts about the end of a process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MessageHandler = Callable[[Any], None]
"""A function that is called with each value that a call gives to ``send``."""

_NATIVE_CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")

_handler: MessageHandler | None = None


def send(value: object) -> None:
    """Send a value to the ``on_message`` of the call in progress (see ``Worker.call``); do nothing where nobody listens."""
    if _handler is not None:
        _handler(value)


@contextmanager
def handle_messages(handler: MessageHandler) -> Iterator[None]:
    """Give the values that this process sends inside the block to ``handler``."""
    global _handler
    before, _handler = _handler, handler
    try:
        yield
    finally:
        _handler = before


def describe_exit(code: int) -> str:
    """Return what an unexpected exit code says of a process; the code is minus the number of the signal that ended it.

    >>> describe_exit(3)
    'its process ended by itself with exit code 3: its code or a library called exit'
    >>> describe_exit(-9)
    'its process was killed by SIGKILL: out of memory, or from outside'
    """
    if code >= 0:
        return f"its process ended by itself with exit code {code}: its code or a library called exit"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in _NATIVE_CRASHES:
        return f"its process crashed in native code ({name})"
    return f"its process was killed by {name}: " + (
        "out of memory, or from outside" if name == "SIGKILL" else "from outside"
    )
