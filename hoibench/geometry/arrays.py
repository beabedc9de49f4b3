"""The few operations in which numpy and torch differ, so that geometry is written once for the arrays of both.

Both know ``where``, ``round``, ``isfinite``, ``argsort``, ``bincount`` and creation on a ``device`` by the same names; what is here they do not.
torch is imported only where one of its tensors is at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from hoibench.clip import Array, check_shape


def namespace(*arrays: Any) -> Any:
    """The module, numpy or torch, that the arrays belong to.

    Raises:
        TypeError: they belong to both, to none, or lie on several devices.
    """
    kinds = {type(array).__module__.partition(".")[0] for array in arrays}
    if kinds == {"numpy"}:
        return np
    if kinds != {"torch"}:
        raise TypeError(f"expected arrays all of numpy or all of torch, found {' and '.join(sorted(kinds))}")
    devices = sorted({str(array.device) for array in arrays})
    if len(devices) > 1:
        raise TypeError(f"tensors lie on {' and '.join(devices)}: move them to one device")
    import torch

    return torch


def namespace_of(**arrays: Any) -> Any:
    """The ``namespace`` of a function's arguments, without those that are None.

    Raises:
        TypeError: as ``namespace``; names the arguments.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    names: dict[str, list[str]] = {}
    for name, array in given.items():
        kind = type(array).__module__.partition(".")[0]
        if kind not in ("numpy", "torch"):
            raise TypeError(f"{name} is a {type(array).__name__}, expected an array of numpy or torch")
        names.setdefault(kind, []).append(name)
    if len(names) > 1:
        found = " and ".join(f"{kind} ({', '.join(of_kind)})" for kind, of_kind in sorted(names.items()))
        raise TypeError(f"expected arrays all of numpy or all of torch, found {found}")
    return namespace(*given.values())


def cast(array: Any, dtype: Any) -> Any:
    """The array in another dtype; torch's gradient passes."""
    return array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(dtype)


def constant(array: Any) -> Any:
    """The array without its history of gradients."""
    return array if isinstance(array, np.ndarray) else array.detach()


def on_host(array: Any) -> Array:
    """The values as a numpy array, which shares memory with a tensor of the CPU."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def flatnonzero(mask: Any) -> Any:
    """Ascending indices of the true elements, rows laid end to end."""
    return np.flatnonzero(mask) if isinstance(mask, np.ndarray) else mask.reshape(-1).nonzero()[:, 0]


def ascending(values: Any) -> Any:
    """The (P,) values in ascending order."""
    return np.sort(values) if isinstance(values, np.ndarray) else values.sort().values


def extremes(values: Any) -> tuple[float, float]:
    """The least and the greatest value, both NaN if one is."""
    low, high = (values.min(), values.max()) if isinstance(values, np.ndarray) else values.aminmax()
    return float(low), float(high)


def lower_at(target: Any, index: Any, values: Any) -> None:
    """Let no ``target[index[i]]`` exceed ``values[i]``, in place: the order of ``i`` does not matter, nor repeated indices."""
    if isinstance(target, np.ndarray):
        np.minimum.at(target, index, values)
    else:
        target.scatter_reduce_(0, index, values, reduce="amin")


def sums_at(index: Any, values: Any, length: int) -> Any:
    """(length,) float64 sums of the ``values`` that share an ``index``; torch's gradient passes to the values."""
    if isinstance(values, np.ndarray):
        return np.bincount(index, weights=values, minlength=length)
    xp = namespace(values)
    return xp.zeros(length, dtype=xp.float64, device=values.device).index_add(0, index, cast(values, xp.float64))


def check_mask(name: str, mask: Any, shape: tuple[int | str, ...]) -> Any:
    """The mask; raises ValueError unless it is bool and has the ``shape``."""
    if mask.dtype != namespace_of(**{name: mask}).bool:
        raise ValueError(f"{name} has dtype {mask.dtype}, expected bool")
    check_shape(name, mask, shape)
    return mask


def check_real(name: str, array: Any, shape: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` is of floating-point numbers and has the ``shape``."""
    xp = namespace_of(**{name: array})
    if not (np.issubdtype(array.dtype, np.floating) if xp is np else array.is_floating_point()):
        raise ValueError(f"{name} has dtype {array.dtype}, expected floating point")
    check_shape(name, array, shape)


def is_integer(value: Any) -> bool:
    """Whether the value is an integer, of Python or numpy, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_size(size: Any) -> None:
    """Raise ValueError unless ``size`` is the height and width of an image."""
    if not (isinstance(size, Sequence) and len(size) == 2 and all(is_integer(n) and n > 0 for n in size)):
        raise ValueError(f"size is {size}, expected a tuple (H, W) of two integers above 0")
