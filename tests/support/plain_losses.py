"""The losses of equations 3 and 4 in plain form: every distance, every point, no masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def merged_clouds(tracks: Tensor, point_mask: Tensor) -> Iterator[Tensor]:
    """Yield the merged cloud of each frame of each sample; tracks (B, V, N, K, 3), point_mask (B, V, K)."""
    batch, views, count, points, _ = tracks.shape
    for b in range(batch):
        valid = [(v, k) for v in range(views) for k in range(points) if point_mask[b, v, k]]
        yield from (torch.stack([tracks[b, v, n, k] for v, k in valid]) for n in range(count))


def brute_chamfer(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Return the mean over frames of the squared, symmetric Chamfer distance."""
    values = []
    for one, other in zip(merged_clouds(prediction, point_mask), merged_clouds(target, point_mask), strict=True):
        squares = (one[:, None] - other[None]).square().sum(-1)
        values.append((squares.min(dim=1).values.mean() + squares.min(dim=0).values.mean()) / 2)
    return sum(values) / len(values)


def mean_over_points(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Return the mean squared difference of the coordinates of all valid points."""
    clouds = zip(merged_clouds(prediction, point_mask), merged_clouds(target, point_mask), strict=True)
    return torch.cat([(one - other).square().flatten() for one, other in clouds]).mean()
