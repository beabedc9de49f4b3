"""Full float32 precision for the metrics' networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_OPERATIONS: tuple[Any, ...] = (  # Any, since torch gives its backends no types
    torch.backends.cuda.matmul,
    torch.backends.cudnn.conv,  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn,
    torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
)


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 products in float32 within the context, or in a function that it decorates.

    By default, torch's convolutions on NVIDIA GPUs round their inputs to TF32, 10 bits; counts of metrics hang on thresholds.
    """
    before = [operation.fp32_precision for operation in _OPERATIONS]
    for operation in _OPERATIONS:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        for operation, precision in zip(_OPERATIONS, before, strict=True):
            operation.fp32_precision = precision
