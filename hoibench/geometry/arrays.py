"""Array operations that differ between numpy and torch, so that code in geometry works for both.

torch is imported only when an argument is a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from hoibench.clip import Array, check_shape


def namespace(array: Any) -> Any:
    """Return the module numpy or torch, whichever the array is from."""
    if _module_name(array) == "numpy":
        return np
    import torch

    return torch


def check_namespace(**arrays: Any) -> Any:
    """Return the common module, numpy or torch, of a public function's array arguments; None is ignored.

    Raises:
        TypeError: an argument is not an array, or arguments mix numpy and torch or are on several devices; names the arguments.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    groups: dict[str, list[str]] = {}
    for name, array in given.items():
        module = _module_name(array)
        if module not in ("numpy", "torch"):
            raise TypeError(f"{name} is a {type(array).__name__}, expected an array of numpy or torch")
        groups.setdefault(module if module == "numpy" else f"torch on {array.device}", []).append(name)
    if len(groups) > 1:
        found = " and ".join(f"{group} ({', '.join(names)})" for group, names in sorted(groups.items()))
        raise TypeError(f"expected arrays all of numpy, or all of torch on one device, found {found}")
    return namespace(next(iter(given.values())))


def _module_name(array: Any) -> str:
    return type(array).__module__.partition(".")[0]


def cast(array: Any, dtype: Any) -> Any:
    """Return the array converted to ``dtype``; gradients of torch pass through."""
    return array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(dtype)


def detach(array: Any) -> Any:
    """Return the array without its gradient history; a numpy array is returned as it is."""
    return array if isinstance(array, np.ndarray) else array.detach()


def to_numpy(array: Any) -> Array:
    """Return the array as a numpy array; for a CPU tensor, both share their memory."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def flatnonzero(mask: Any) -> Any:
    """Return the indices (P,) of the true elements of a mask, in reading order of its axes."""
    return np.flatnonzero(mask) if isinstance(mask, np.ndarray) else mask.reshape(-1).nonzero()[:, 0]


def sort(values: Any) -> Any:
    """Return 1D values (P,) in ascending order."""
    return np.sort(values) if isinstance(values, np.ndarray) else values.sort().values


def min_max(values: Any) -> tuple[float, float]:
    """Return the minimum and the maximum of an array, both NaN if a value is NaN."""
    low, high = (values.min(), values.max()) if isinstance(values, np.ndarray) else values.aminmax()
    return float(low), float(high)


def minimum_at(target: Any, index: Any, values: Any) -> None:
    """Lower ``target[index[i]]`` to ``values[i]``, if that is smaller, for all i, in place; indices may repeat."""
    if isinstance(target, np.ndarray):
        np.minimum.at(target, index, values)
    else:
        target.scatter_reduce_(0, index, values, reduce="amin")


def sum_at(index: Any, values: Any, length: int) -> Any:
    """Return sums (length,) float64: element j is the sum of ``values[i]`` over all i with ``index[i]`` = j; gradients pass to the values."""
    if isinstance(values, np.ndarray):
        return np.bincount(index, weights=values, minlength=length)
    xp = namespace(values)
    return xp.zeros(length, dtype=xp.float64, device=values.device).index_add(0, index, cast(values, xp.float64))


def check_bool(name: str, mask: Any, shape: tuple[int | str, ...]) -> Any:
    """Return the mask unchanged; raise ValueError unless it is bool and has the ``shape``, in which a letter matches any length."""
    if mask.dtype != check_namespace(**{name: mask}).bool:
        raise ValueError(f"{name} has dtype {mask.dtype}, expected bool")
    check_shape(name, mask, shape)
    return mask


def check_floating(name: str, array: Any, shape: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` has a floating-point dtype and the ``shape``, in which a letter matches any length."""
    xp = check_namespace(**{name: array})
    if not (np.issubdtype(array.dtype, np.floating) if xp is np else array.is_floating_point()):
        raise ValueError(f"{name} has dtype {array.dtype}, expected floating point")
    check_shape(name, array, shape)


def is_integer(value: Any) -> bool:
    """Return True if ``value`` is an integer of Python or numpy, but not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_size(size: Any) -> None:
    """Raise ValueError unless ``size`` is an image size (H, W) of two integers above 0."""
    if not (isinstance(size, Sequence) and len(size) == 2 and all(is_integer(n) and n > 0 for n in size)):
        raise ValueError(f"size is {size}, expected a tuple (H, W) of two integers above 0")
