"""Untrusted pickles of hand and body models: numpy arrays, scipy matrices and chumpy terms of Python 2, read without executing them.

Every object in the pickle becomes a placeholder with the arguments of its constructor; ``as_array`` then evaluates the few kinds that these
models contain (mattloper/chumpy: chumpy/ch.py ``Ch``, chumpy/reordering.py ``Select``, ``Reshape``, ``transpose``).
"""

from __future__ import annotations

import io
import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from hoibench.clip import Array
from hoibench.store.bounded_file import read_bounded
from hoibench.store.restricted_pickle import PICKLE_ERRORS, RestrictedUnpickler, short_message

_MAX_BYTES = 1 << 28
_MAX_NUMBERS = 1 << 20
"""Largest size of a sparse matrix: MANO's has 16 x 778, SMPL-X's 55 x 10475."""
_PLAIN_DTYPE = re.compile(r"[fiu][1248]|b1")
# Limited depth: the full repr of a nested tuple of a hundred pickled bytes can exceed memory.
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SPARSE = re.compile(r"scipy\.sparse(\._?(csc|csr|coo))?\.(?P<kind>csc|csr|coo)_(matrix|array)")


class _Record:
    """A placeholder for an object of a pickle, with its constructor's arguments and its state; ``origin`` is the full name of its class."""

    origin: ClassVar[str]
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Self:
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_model_pickle(path: Path) -> dict[str, Any]:
    """Read the pickle of a hand model and return name -> member; ``as_array`` evaluates a member.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is over 256 MiB, damaged, has forbidden names, or is not a dict; the message names the file.
    """
    data = read_bounded(path, _MAX_BYTES)
    try:
        table = _Model(io.BytesIO(data)).load()
    except PICKLE_ERRORS as error:
        raise ValueError(
            f"{path} is not a complete pickle of a hand model ({short_message(error)}): download it again"
        ) from error
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table):
        raise ValueError(f"{path} is not a dict of a model's arrays: give MANO_LEFT.pkl or MANO_RIGHT.pkl")
    return table


def as_array(value: Any) -> Array:
    """Return a member of a model as an array, if it is a numpy array, a scipy sparse matrix, or a chumpy selection, reshape or transpose of one.

    Raises:
        ValueError: the member is of another kind, or damaged.
    """
    try:
        return _as_array(value)
    except PICKLE_ERRORS as error:
        raise ValueError(short_message(error)) from error


def _as_array(value: Any) -> Array:
    return _by_rule(value, _RULES)


def _numbers(value: Any) -> Array:
    """Return a member of a model that must be a numpy array; if chumpy terms were allowed here, each level of nested terms could double the work."""
    return _by_rule(value, _NUMPY)


def _by_rule(value: Any, rules: Mapping[str, Callable[[Any], Array]]) -> Array:
    origin = value.origin if isinstance(value, _Record) else type(value).__name__
    rule = rules.get(origin)
    if rule is None:
        raise ValueError(f"a member is a {origin}, which is not supported")
    return rule(value)


def _ndarray(value: _Record) -> Array:
    shape, dtype, fortran, raw = value.state[-4:]
    return _from_bytes(raw, dtype, shape, "F" if fortran else "C")


def _from_bytes(raw: Any, dtype: Any, shape: tuple[int, ...], order: Any) -> Array:
    code = dtype.args[0] if isinstance(dtype, _Record) and dtype.origin == "numpy.dtype" else dtype
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise ValueError(f"an array is of type {_SHORT.repr(code)}, which is not supported")
    big = dtype.state is not None and dtype.state[1] == ">"
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(memoryview(raw))
    numbers = np.frombuffer(data, np.dtype(code).newbyteorder(">" if big else "<"))
    return numbers.reshape(shape, order="F" if order == "F" else "C")


def _sparse(value: _Record) -> Array:
    state: Mapping[str, Any] = value.state
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape")))
    if min(rows, columns) < 1 or rows * columns > _MAX_NUMBERS:
        raise ValueError(f"a sparse matrix is {reprlib.repr(rows)} x {reprlib.repr(columns)}")
    if value.origin == "coo":
        row, column = (_indices(part) for part in state.get("coords", (state.get("row"), state.get("col"))))
    else:
        minor = _indices(state["indices"])
        major = _lines(_indices(state["indptr"]), columns if value.origin == "csc" else rows, len(minor))
        row, column = (minor, major) if value.origin == "csc" else (major, minor)
    data = _numbers(state["data"])
    if not len(row) == len(column) == len(data):
        raise ValueError(f"a sparse matrix has {len(data)} numbers in {len(row)} rows and {len(column)} columns")
    dense = np.zeros((rows, columns))
    np.add.at(dense, (row, column), data)
    return dense


def _indices(value: Any) -> Array:
    """Return the indices (n,) int64 in a member of a sparse matrix; they must be non-negative integers."""
    indices = _numbers(value)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or (indices < 0).any():
        raise ValueError("a sparse matrix has invalid indices")
    found: Array = indices.astype(np.int64)
    return found


def _lines(starts: Array, lines: int, count: int) -> Array:
    """Return the row of each number of a sparse matrix by rows, (count,); or the column, if it is stored by columns.

    Args:
        starts: (lines + 1,) index of each row's first number, and the end of the last row.
        lines: number of rows.
        count: number of numbers.
    """
    # An unchecked start could make an array of any length.
    if len(starts) != lines + 1 or starts[0] != 0 or starts[-1] != count or (np.diff(starts) < 0).any():
        raise ValueError(f"a sparse matrix has invalid starts of its {lines} lines")
    return np.repeat(np.arange(lines), np.diff(starts))


def _select(value: _Record) -> Array:
    chosen = _as_array(value.state["a"]).ravel()[_numbers(value.state["idxs"]).astype(np.int64)]
    return chosen.reshape(value.state.get("preferred_shape", chosen.shape))


def _reshape(value: _Record) -> Array:
    return _as_array(value.state["a"]).reshape(value.state["newshape"])


def _transpose(value: _Record) -> Array:
    return np.transpose(_as_array(value.state["a"]), value.state.get("axes"))


_NUMPY: dict[str, Callable[[Any], Array]] = {
    "numpy.ndarray": _ndarray,
    "numpy.frombuffer": lambda value: _from_bytes(*value.args),
}
_RULES = {
    **_NUMPY,
    "csc": _sparse,
    "csr": _sparse,
    "coo": _sparse,
    "chumpy.ch.Ch": lambda value: _as_array(value.state["x"]),
    "chumpy.reordering.Select": _select,
    "chumpy.reordering.Reshape": _reshape,
    "chumpy.reordering.transpose": _transpose,
}


def _record(origin: str) -> type[_Record]:
    return type(origin, (_Record,), {"origin": origin})


def _rebuild(kind: type[_Record], _base: object, _state: object) -> _Record:
    """Return a new placeholder of class ``kind``; replaces copyreg._reconstructor, which creates objects in pickles of protocols 0 and 1."""
    if not (isinstance(kind, type) and issubclass(kind, _Record)):
        raise ValueError(f"it creates an object of {_SHORT.repr(kind)}")
    return kind()


def _encode(text: str, _encoding: str) -> bytes:
    """Return the bytes of Latin-1 text; replaces _codecs.encode, with which Python 3 pickles bytes in protocol 2."""
    return text.encode("latin1")


class _Model(RestrictedUnpickler):
    stateful: ClassVar[tuple[type, ...]] = (_Record,)
    names: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("copy_reg", "_reconstructor"): _rebuild,
        ("copyreg", "_reconstructor"): _rebuild,
        ("_codecs", "encode"): _encode,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
        ("__builtin__", "set"): set,
        ("builtins", "set"): set,
        ("numpy", "ndarray"): _record("numpy.ndarray"),
        ("numpy", "dtype"): _record("numpy.dtype"),
        **{
            (f"numpy.{core}.{module}", name): _record(origin)
            for core in ("core", "_core")
            for module, name, origin in (
                ("multiarray", "_reconstruct", "numpy.ndarray"),
                ("multiarray", "scalar", "numpy.scalar"),
                ("numeric", "_frombuffer", "numpy.frombuffer"),
            )
        },
    }

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if sparse := _SPARSE.fullmatch(full):
            return _record(sparse["kind"])
        if module == "chumpy" or module.startswith("chumpy."):
            return _record(full)
        return super().find_class(module, name)
