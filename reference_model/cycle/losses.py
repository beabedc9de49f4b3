"""The objectives (equations 3 and 4): all of them means, in the model's own units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor


class Losses(NamedTuple):
    """Each a scalar; their weighted sum is line 12 of Algorithm 1.

    Attributes:
        video: velocity of the video latents, but for the image's frame, which is not generated.
        motion: velocity of the pseudo-video's latents, all frames.
        scale: s, metres squared.
        points: velocity of the tracks.
        chamfer: of the refined tracks.
        scale_error: mean |s^ - s| in metres, for the log, without weight.
    """

    video: Tensor
    motion: Tensor
    scale: Tensor
    points: Tensor
    chamfer: Tensor
    scale_error: Tensor


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference."""
    return (prediction - target).square().mean()


def masked_squared_error(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """The mean squared difference of tracks (B, V, N, K, 3) over the points of ``point_mask`` (B, V, K); 0 where none is."""
    difference = (prediction - target).masked_fill(~point_mask[:, :, None, :, None], 0.0)
    return (difference.square().mean(dim=(2, 4)) / point_mask.sum().clamp(min=1)).sum()


def chamfer(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Squared Chamfer distance of the merged cloud of all views, frame by frame, the mean both ways (equation 4); 0 where no sample has a point.

    Neighbours are found without gradients, and only the pairs that they make are differentiated: no matrix of distances is kept.

    Args:
        prediction: (B, V, N, K, 3).
        target: the same.
        point_mask: (B, V, K) bool, the points that are no padding.
    """
    clouds = zip(*(_clouds(each, point_mask) for each in (prediction, target)), strict=True)
    distances = [_both_ways(one, other) for one, other in clouds]
    return torch.stack(distances).mean() if distances else prediction.new_zeros(())


def _clouds(tracks: Tensor, point_mask: Tensor) -> list[Tensor]:
    """The merged cloud of each frame of each sample that has points, (V K', 3)."""
    return [
        each
        for sample, real in zip(tracks, point_mask, strict=True)
        if real.any()
        for each in sample.transpose(1, 2)[real].transpose(0, 1)
    ]


def _both_ways(one: Tensor, other: Tensor) -> Tensor:
    nearest = by_tree if one.device.type == "cpu" else by_table
    with torch.no_grad():
        forth, back = nearest(one.float(), other.float()), nearest(other.float(), one.float())
    return ((one - other[forth]).square().sum(-1).mean() + (other - one[back]).square().sum(-1).mean()) / 2


def by_table(points: Tensor, cloud: Tensor) -> Tensor:
    """The index of each point's nearest in a cloud, (P, 3), (Q, 3) -> (P,) int64, by trying all."""
    # Not by a matrix product, which loses the distance of near points.
    return torch.cdist(points, cloud, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)


def by_tree(points: Tensor, cloud: Tensor) -> Tensor:
    """The same on a CPU, by a k-d tree; where there is NaN, which the distances tell, any index."""
    finite, places = (each.nan_to_num(0.0, 0.0, 0.0).numpy() for each in (points, cloud))
    return torch.from_numpy(cKDTree(places).query(finite)[1])
