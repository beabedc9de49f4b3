"""SIGTERM and SIGINT: the first asks for an end after the iteration, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ASKING = (signal.SIGTERM, signal.SIGINT)
_KILLED = 128


class Stop:
    """Whether an end was asked for."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.asked:
            os._exit(_KILLED + number)  # not by an exception: other processes, or C++, may hold this one
        self.asked = True


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
