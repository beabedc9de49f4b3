"""Reader of untrusted pickles: nothing is imported or called except allowed names, and no size in the file is trusted."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

PICKLE_ERRORS = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, struct.error, OverflowError,
    RecursionError, MemoryError, AssertionError,
)  # fmt: skip
"""Exceptions that unpickling raises on damaged or malicious files."""

_LONGEST_MESSAGE = 300


# The pure Python unpickler: the C one allocates a memo as large as the largest index in the pickle says (64 GiB for a ten-byte file).
class RestrictedUnpickler(pickle._Unpickler):
    """An unpickler for untrusted files; subclasses list the names that a pickle may use.

    Class attributes:
        names: (module, name) -> the object used in its place; any other name is an error.
        stateful: classes whose objects may be given a state.

    Names from Python 2 are not translated, and strings from Python 2 are decoded as Latin-1, as pickled arrays require.
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
        """Return the object that is used in place of the name ``module.name`` in the pickle.

        Raises:
            pickle.UnpicklingError: the name is not allowed.
        """
        try:
            return self.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed") from None

    def load_bytearray8(self) -> None:
        """Execute the opcode BYTEARRAY8 (push a bytearray); unlike the base class, allocate no memory for a length that the file only claims."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    def load_build(self) -> None:
        """Execute the opcode BUILD (set an object's state); the base class would accept any object, including functions and classes."""
        if not isinstance(self.stack[-2], self.stateful):
            raise pickle.UnpicklingError(f"it sets the state of a {type(self.stack[-2]).__name__}")
        super().load_build()  # type: ignore[misc]  # typeshed omits the opcode methods

    dispatch |= {pickle.BYTEARRAY8[0]: load_bytearray8, pickle.BUILD[0]: load_build}


def short_message(error: Exception) -> str:
    """Return an exception's message (or its class name if empty) on one line, cut to 300 characters."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
