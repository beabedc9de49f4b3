"""Serialization of point clouds: points are ordered along a curve, so that neighbours in space are close in order, and cut into windows.

See section 4.1 of the Point Transformer V3 paper; positions on the curve equal those of PointTransformerV3:serialization/.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor

Order = Literal["z", "z-trans"]


def grid_coordinates(points: Tensor, edge: float, reach: float) -> Tensor:
    """Return the voxel (..., 3) int64 of each point (..., 3), with voxels of size ``edge``; coordinates are clamped to +-reach."""
    return ((points.clamp(-reach, reach) + reach) / edge).floor().long()


def z_order(grid: Tensor, order: Order = "z") -> Tensor:
    """Return the position (...,) int64 of each voxel (..., 3) on a z-order curve: the bits of x, y and z interleaved, x highest.

    ``z-trans`` swaps x and y, so that neighbours separated by one curve are close on the other.
    """
    x, y, z = grid.unbind(-1)
    if order == "z-trans":
        x, y = y, x
    return (_spread(x) << 2) | (_spread(y) << 1) | _spread(z)


def _spread(number: Tensor) -> Tensor:
    """Return 16-bit numbers with two zeros inserted between any two of their bits."""
    number = (number | (number << 16)) & 0x0000FF0000FF
    number = (number | (number << 8)) & 0x00F00F00F00F
    number = (number | (number << 4)) & 0x0C30C30C30C3
    return (number | (number << 2)) & 0x249249249249


class Windows(NamedTuple):
    """Attention windows of the P points of each of G point clouds: consecutive points along a space-filling curve.

    Attributes:
        index: (G, w s), index of the point at each position of the w windows of s positions; the last window may overlap the one before.
        position: (G, P), the position from which ``scatter_windows`` reads each point.
        size: s, points of a window.
    """

    index: Tensor
    position: Tensor
    size: int


def anchor_rank(anchors: Tensor) -> Tensor:
    """Return the rank (B, P) int64 of each of P points by its anchor (B, P, 2), by u and then v; points with equal anchors rank as they are listed.

    Views are listed in a fixed order, and the anchors of one view differ, so the rank identifies a point whatever the order of the points of a view.
    """
    u, v = anchors.unbind(-1)
    order = v.argsort(dim=1, stable=True)
    order = order.gather(1, u.gather(1, order).argsort(dim=1, stable=True))
    return order.argsort(dim=1)


def build_windows(code: Tensor, rank: Tensor, point_mask: Tensor | None, size: int) -> Windows:
    """Build windows of ``size`` consecutive points along the curve; the last overlaps the one before if the points do not fill it.

    Args:
        code: (G, P) positions of the points on the curve, for each of G clouds.
        rank: (G, P) order of the points that have the same position on the curve, that is of the points of a voxel; see ``anchor_rank``.
        point_mask: (G, P) bool, False for padding, which comes after all points; ``scatter_windows`` returns undefined features for it.  None without
            padding.
        size: points of a window; clouds of fewer points are one window.
    """
    groups, count = code.shape
    size = min(size, count)
    points = code.new_full((groups,), count)
    if point_mask is not None:
        code = code.masked_fill(~point_mask, torch.iinfo(code.dtype).max)
        points = point_mask.sum(dim=1)
    order = rank.argsort(dim=1)
    order = order.gather(1, code.gather(1, order).argsort(dim=1, stable=True))
    even = torch.arange(0, count, size, device=code.device)
    starts = torch.minimum(even, (points - size).clamp(min=0)[:, None])  # (G, w)
    taken = (starts[..., None] + torch.arange(size, device=code.device)).flatten(1)
    along = order.argsort(dim=1)
    window = along // size
    within = (along - starts.gather(1, window)).clamp(max=size - 1)
    return Windows(order.gather(1, taken), window * size + within, size)


def gather_windows(x: Tensor, windows: Windows) -> Tensor:
    """Return the features (G, P, C) of the points of G clouds window by window: (G w, s, C), w windows of s points per cloud."""
    index = repeat(windows.index, "g i -> g i c", c=x.shape[-1])
    return rearrange(x.gather(1, index), "g (w s) c -> (g w) s c", s=windows.size)


def scatter_windows(x: Tensor, windows: Windows) -> Tensor:
    """Return features of windows (G w, s, C) point by point, (G, P, C): the inverse of ``gather_windows``; each point is read from one window."""
    position = repeat(windows.position, "g p -> g p c", c=x.shape[-1])
    return rearrange(x, "(g w) s c -> g (w s) c", g=len(windows.position)).gather(1, position)
