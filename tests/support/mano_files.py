"""Model files in the format of MANO's release, with random numbers in them: it contains no MANO data.

The released pickle is one of Python 2, protocol 2: byte strings, numpy.core names, chumpy terms, a scipy.sparse matrix.  ``Python2Pickler`` writes
the same opcodes, so that the reader is tested on released files.
"""

import io
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from hoibench.datasets.taco.hand.proxy_mesh import build_template

PARENTS = [2**32 - 1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]


def random_model(side: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Members of a model whose rest pose is roughly a hand's, so that it has a side."""
    rng = np.random.default_rng(seed)
    template = build_template()
    mirror = np.array([-1.0 if side == "left" else 1.0, 1.0, 1.0])
    offset = np.array([0.095, 0.006, 0.006])
    vertices = (template.vertices + offset + rng.normal(0.0, 1e-4, (778, 3))) * mirror
    regressor = np.zeros((16, 778))
    for j, joint in enumerate((template.joints + offset) * mirror):
        near = np.argsort(np.linalg.norm(vertices - joint, axis=1))[:8]
        regressor[j, near] = rng.dirichlet(np.ones(8))
    return {
        "v_template": vertices,
        "shapedirs": rng.normal(0.0, 3e-3, (778, 3, 10)),
        "posedirs": rng.normal(0.0, 2e-3, (778, 3, 135)),
        "J_regressor": regressor,
        "weights": rng.dirichlet(np.full(16, 0.2), 778),
        "hands_mean": rng.normal(0.0, 0.3, 45),
        "hands_components": rng.normal(size=(45, 45)),
        "f": (template.faces[:, ::-1] if side == "left" else template.faces).astype(np.uint32),
        "kintree_table": np.array([PARENTS, range(16)], dtype=np.uint32),
    }


class Named:
    """An object pickled as an instance of any class, with its state."""

    def __init__(self, origin: str, state: Any) -> None:
        self.origin, self.state = origin, state


class Call:
    """An object pickled as a call of any function."""

    def __init__(self, origin: str, *args: Any) -> None:
        self.origin, self.args = origin, args


def ch(x: np.ndarray) -> Named:
    """A chumpy array, with the state of chumpy 0.6x."""
    rest = {"_dirty_vars": {"x"}, "_itr": None, "_make_dense": False, "_make_sparse": False, "_depends_on_deps": {}}
    return Named("chumpy.ch.Ch", {"x": x, **rest})


def select(array: np.ndarray, wider: int = 20) -> Named:
    """The result of slicing a chumpy array by [:, :, :10]: a selection of the full array."""
    rows, axes, count = array.shape
    whole = np.random.default_rng(9).normal(size=(rows, axes, wider))
    whole[:, :, :count] = array
    chosen = np.arange(whole.size).reshape(whole.shape)[:, :, :count]
    state = {"a": ch(whole), "idxs": chosen.ravel(), "preferred_shape": array.shape}
    return Named("chumpy.reordering.Select", state)


def sparse(dense: np.ndarray, module: str = "scipy.sparse.csc", kind: str = "csc", shape_name: str = "_shape") -> Named:
    """A scipy matrix, with its state since 2012."""
    matrix = getattr(scipy.sparse, f"{kind}_matrix")(dense)
    names = ("data", "row", "col") if kind == "coo" else ("data", "indices", "indptr")
    state = {name: getattr(matrix, name) for name in names}
    return Named(f"{module}.{kind}_matrix", {**state, shape_name: dense.shape, "maxprint": 50})


def released(model: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The members as the released pickle holds them."""
    return {
        **model,
        "shapedirs": select(model["shapedirs"]),
        "J_regressor": sparse(model["J_regressor"]),
        "J": model["J_regressor"] @ model["v_template"],
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_mano(folder: Path, side: str, seed: int = 0, protocol: int = 2) -> Path:
    """MANO_LEFT.pkl or MANO_RIGHT.pkl, as released, of ``random_model``."""
    path = folder / f"MANO_{side.upper()}.pkl"
    path.write_bytes(dumps(released(random_model(side, seed)), protocol))
    return path


def dumps(value: Any, protocol: int = 2) -> bytes:
    """Return the bytes that Python 2 would write."""
    stream = io.BytesIO()
    Python2Pickler(stream, protocol).dump(value)
    return stream.getvalue()


class Python2Pickler(pickle._Pickler):
    """Pickles text as byte strings, arrays by numpy's old names, and ``Named`` and ``Call`` by their names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, obj: Any) -> None:
        data = obj if isinstance(obj, bytes) else obj.encode("latin1")
        if self.proto == 0:
            self.write(b"S" + repr(data)[1:].encode() + b"\n")
        elif len(data) < 256:
            self.write(b"U" + bytes([len(data)]) + data)
        else:
            self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(obj)

    dispatch[str] = dispatch[bytes] = save_string

    def name(self, origin: str) -> None:
        module, _, name = origin.rpartition(".")
        self.write(b"c" + module.encode() + b"\n" + name.encode() + b"\n")

    def call(self, origin: str, *args: Any) -> None:
        self.name(origin)
        self.save(args)
        self.write(b"R")

    def state(self, obj: Any, state: Any) -> None:
        self.memoize(obj)
        self.save(state)
        self.write(b"b")

    def save_named(self, obj: Named) -> None:
        if self.proto == 2:
            self.name(obj.origin)
            self.write(b")\x81")
        else:
            self.name("copy_reg._reconstructor")
            self.write(b"(")
            self.name(obj.origin)
            self.name("__builtin__.object")
            self.write(b"NtR")
        self.state(obj, obj.state)

    def save_call(self, obj: Call) -> None:
        self.call(obj.origin, *obj.args)

    def save_array(self, obj: np.ndarray) -> None:
        self.name("numpy.core.multiarray._reconstruct")
        self.write(b"(")
        self.name("numpy.ndarray")
        self.save((0,))
        self.save(b"b")
        self.write(b"tR")
        fortran = obj.flags.fnc
        self.state(obj, (1, obj.shape, obj.dtype, fortran, obj.tobytes("F" if fortran else "C")))

    def save_dtype(self, obj: Any) -> None:
        self.call("numpy.dtype", obj.str[1:], 0, 1)
        self.state(obj, (3, obj.str[0], None, None, None, -1, -1, 0))

    def save_set(self, obj: Any) -> None:
        self.call("__builtin__.set", list(obj))
        self.memoize(obj)

    dispatch[Named] = save_named
    dispatch[Call] = save_call
    dispatch[np.ndarray] = save_array
    dispatch[set] = save_set
    for kind in "f4", "f8", "u4", "i8", "O":
        dispatch[type(np.dtype(kind))] = save_dtype
