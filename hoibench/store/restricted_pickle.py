"""Pickles from strangers: nothing is imported or called but what a reader allows by name, and no size in one is believed."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, struct.error, OverflowError,
    RecursionError, MemoryError, AssertionError,
)  # fmt: skip
"""What unpickling raises on bytes that no writer wrote."""

_LONGEST_REASON = 300


# Python's own unpickler, not the one in C: that takes memory for a memo as long as the largest index in the pickle says, 64 GiB at ten bytes' word.
class RestrictedUnpickler(pickle._Unpickler):
    """An unpickler that finds only what a subclass allows: ``names`` maps (module, name) to what stands for it.

    Only objects of the classes in ``stateful`` are given a state.  Names of Python 2 come as they are written; its text is taken as Latin-1, as the
    arrays in such pickles ask for.
    """

    names: ClassVar[Mapping[tuple[str, str], Any]] = {}
    stateful: ClassVar[tuple[type, ...]] = ()
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)
    read: Callable[[int], bytes]
    append: Callable[[object], None]
    stack: list[Any]

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle.

        Raises:
            pickle.UnpicklingError: the name is not allowed.
        """
        try:
            return self.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed") from None

    def load_bytearray8(self) -> None:
        """Read a bytearray, as the base class does after taking as much memory as the pickle says."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    def load_build(self) -> None:
        """Give an object a state, as the base class does to any object, functions and classes too."""
        if not isinstance(self.stack[-2], self.stateful):
            raise pickle.UnpicklingError(f"it gives a state to a {type(self.stack[-2]).__name__}")
        super().load_build()  # type: ignore[misc]  # typeshed leaves out the methods that read one opcode each

    dispatch |= {pickle.BYTEARRAY8[0]: load_bytearray8, pickle.BUILD[0]: load_build}


def reason(error: Exception) -> str:
    """What one of ``DAMAGE`` says, on one line and not at length; some say nothing but their name."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}..."


def read_bounded(path: Path, limit: int) -> bytes:
    """All of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has more than ``limit`` bytes.
    """
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"{path} has {size} bytes, at most {limit} are read")
    return path.read_bytes()
