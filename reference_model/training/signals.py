"""SIGTERM and SIGINT: the first asks for an end after the iteration, one that comes more than two seconds later ends it at once.

Launchers pass a Ctrl-C on that the terminal has sent to all processes already: two signals that come together are one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ASKING = (signal.SIGTERM, signal.SIGINT)
_KILLED = 128
_TOGETHER = 2.0


class Stop:
    """Whether an end was asked for."""

    asked = False
    _since = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > _TOGETHER:
            os._exit(_KILLED + number)  # not by an exception: other processes, or C++, may hold this one


@contextmanager
def heeding() -> Iterator[Stop]:
    """Take both signals until the block ends."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in _ASKING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
