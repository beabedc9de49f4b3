"""Point clouds as sequences: neighbours in space become neighbours in order (Point Transformer V3, section 4.1).

Places on the curve are those of PointTransformerV3:serialization/.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from reference_model.config import GRID_BITS

Order = Literal["z", "z-trans"]


def grid_coordinates(points: Tensor, edge: float, reach: float) -> Tensor:
    """Voxels (..., 3) int64, counted from 0, of points (..., 3); those farther than ``reach`` from the origin along an axis are put there.

    Raises:
        ValueError: the grid would need more than 16 bits an axis.
    """
    if not 0 < 2 * reach / edge < 2**GRID_BITS:
        raise ValueError(
            f"voxels of {edge} within {reach} of the origin: expected fewer than {2**GRID_BITS} along an axis"
        )
    return ((points.clamp(-reach, reach) + reach) / edge).floor().long()


def z_order(grid: Tensor, order: Order = "z") -> Tensor:
    """The place (...,) int64 of each voxel (..., 3) on a z-shaped curve: the bits of x, y and z in turn, x's being the highest of three.

    ``z-trans`` swaps x and y, so that what one curve cuts apart the other keeps together.
    """
    x, y, z = grid.unbind(-1)
    if order == "z-trans":
        x, y = y, x
    return (_spread(x) << 2) | (_spread(y) << 1) | _spread(z)


def _spread(number: Tensor) -> Tensor:
    """The bits of a 16-bit number, two zeros between any two."""
    number = (number | (number << 16)) & 0x0000FF0000FF
    number = (number | (number << 8)) & 0x00F00F00F00F
    number = (number | (number << 4)) & 0x0C30C30C30C3
    return (number | (number << 2)) & 0x249249249249


class Windows(NamedTuple):
    """How the P points of each of G clouds are grouped for attention.

    Attributes:
        index: (G, w s) which point stands in each place, w windows of s places along the curve.
        place: (G, P) in which place each point is read back.
        size: s.
    """

    index: Tensor
    place: Tensor
    size: int


def windows(code: Tensor, point_mask: Tensor | None, size: int) -> Windows:
    """Windows of ``size`` consecutive points along the curve; the last borrows from the one before, as Point Transformer V3 pads.

    Args:
        code: (G, P) places on the curve.
        point_mask: (G, P) bool, false for points that are only padding, which come last and take no place that a point could have; what they are read
            back from means nothing.  None means that all are points.
        size: places of a window; clouds of fewer points are one window.
    """
    groups, count = code.shape
    size = min(size, count)
    points = code.new_full((groups,), count)
    if point_mask is not None:
        code = code.masked_fill(~point_mask, torch.iinfo(code.dtype).max)
        points = point_mask.sum(dim=1)
    order = code.argsort(dim=1, stable=True)
    even = torch.arange(0, count, size, device=code.device)
    starts = torch.minimum(even, (points - size).clamp(min=0)[:, None])  # (G, w)
    taken = (starts[..., None] + torch.arange(size, device=code.device)).flatten(1)
    rank = order.argsort(dim=1)
    window = rank // size
    within = (rank - starts.gather(1, window)).clamp(max=size - 1)
    return Windows(order.gather(1, taken), window * size + within, size)


def gather(x: Tensor, at: Windows) -> Tensor:
    """Features (G, P, C) window by window, (G w, s, C)."""
    taken = x.gather(1, at.index[..., None].expand(-1, -1, x.shape[-1]))
    return taken.reshape(-1, at.size, x.shape[-1])


def scatter(x: Tensor, at: Windows) -> Tensor:
    """The inverse of ``gather``: (G, P, C), each point from the window that it is read back from."""
    groups, channels = at.place.shape[0], x.shape[-1]
    return x.reshape(groups, -1, channels).gather(1, at.place[..., None].expand(-1, -1, channels))
