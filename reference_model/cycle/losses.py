"""The losses (equations 3 and 4): means, in the units of the model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor


class Losses(NamedTuple):
    """Scalar losses, whose weighted sum is line 12 of Algorithm 1.

    Attributes:
        video: velocity of the video latents without the image's frame, which is not generated.
        motion: velocity of the pseudo-video's latents, all frames.
        scale: s, metres squared.
        points: velocity of the tracks.
        chamfer: of the refined tracks.
        scale_error: mean |s^ - s| in metres, for the log only.
    """

    video: Tensor
    motion: Tensor
    scale: Tensor
    points: Tensor
    chamfer: Tensor
    scale_error: Tensor


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Compute the mean squared difference."""
    return (prediction - target).square().mean()


def masked_squared_error(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Compute the mean squared difference of tracks (B, V, N, K, 3) over the points of ``point_mask`` (B, V, K); 0 without points."""
    difference = (prediction - target).masked_fill(~point_mask[:, :, None, :, None], 0.0)
    return (difference.square().mean(dim=(2, 4)) / point_mask.sum().clamp(min=1)).sum()


def chamfer(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Compute the squared Chamfer distance between the merged clouds of all views, the mean over frames and both directions (equation 4).

    It is 0 if no sample has a point.  Neighbours are found without gradients and only the distances to them are differentiated, so no distance matrix
    is stored.

    Args:
        prediction: (B, V, N, K, 3).
        target: the same.
        point_mask: (B, V, K) bool, False for padding.
    """
    clouds = zip(*(_merge_views(each, point_mask) for each in (prediction, target)), strict=True)
    distances = [_symmetric_distance(one, other) for one, other in clouds]
    return torch.stack(distances).mean() if distances else prediction.new_zeros(())


def _merge_views(tracks: Tensor, point_mask: Tensor) -> list[Tensor]:
    """Merge the points of all views: one cloud (V K', 3) per frame of each sample that has points."""
    return [
        each
        for sample, real in zip(tracks, point_mask, strict=True)
        if real.any()
        for each in sample.transpose(1, 2)[real].transpose(0, 1)
    ]


def _symmetric_distance(one: Tensor, other: Tensor) -> Tensor:
    nearest = nearest_by_tree if one.device.type == "cpu" else nearest_by_table
    with torch.no_grad():
        forth, back = nearest(one.float(), other.float()), nearest(other.float(), one.float())
    return ((one - other[forth]).square().sum(-1).mean() + (other - one[back]).square().sum(-1).mean()) / 2


def nearest_by_table(points: Tensor, cloud: Tensor) -> Tensor:
    """Find the index of each point's nearest neighbour in a cloud, (P, 3), (Q, 3) -> (P,) int64, from all distances."""
    # A matrix product would lose the distance of near points.
    return torch.cdist(points, cloud, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)


def nearest_by_tree(points: Tensor, cloud: Tensor) -> Tensor:
    """Find nearest neighbours on the CPU with a k-d tree; for NaN any index, since the distance is NaN."""
    finite, places = (each.nan_to_num(0.0, 0.0, 0.0).numpy() for each in (points, cloud))
    return torch.from_numpy(cKDTree(places).query(finite)[1])
