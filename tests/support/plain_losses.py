"""The objectives of equations 3 and 4 written out plainly: every distance, every point, no masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def frames(tracks: Tensor, point_mask: Tensor) -> Iterator[Tensor]:
    """The merged cloud of each frame of each sample, point by point; tracks (B, V, N, K, 3), there (B, V, K)."""
    batch, views, count, points, _ = tracks.shape
    for b in range(batch):
        real = [(v, k) for v in range(views) for k in range(points) if point_mask[b, v, k]]
        yield from (torch.stack([tracks[b, v, n, k] for v, k in real]) for n in range(count))


def brute_chamfer(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """The mean of all frames' squared Chamfer distances, both ways, differentiated whole."""
    values = []
    for one, other in zip(frames(prediction, point_mask), frames(target, point_mask), strict=True):
        squares = (one[:, None] - other[None]).square().sum(-1)
        values.append((squares.min(dim=1).values.mean() + squares.min(dim=0).values.mean()) / 2)
    return sum(values) / len(values)


def mean_over_points(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """The mean squared difference of the coordinates of all points that are there."""
    clouds = zip(frames(prediction, point_mask), frames(target, point_mask), strict=True)
    return torch.cat([(one - other).square().flatten() for one, other in clouds]).mean()
