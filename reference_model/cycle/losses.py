"""The training losses (equations 3 and 4 of the SyncMV4D paper): means of squared errors, in the units of the model's latents and tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from reference_model.cycle.batch import Batch, Noise
from reference_model.mjd.model import MJDOutput
from reference_model.rectified_flow import clean, velocity

ErrorOf = Literal["velocity", "clean"]


class Losses(NamedTuple):
    """Scalar losses of one training iteration; the weighted sum of the first five is line 12 of Algorithm 1 of the SyncMV4D paper.

    Attributes:
        video: squared error of the video latents' velocity, without frame 0, which is the given image.
        motion: squared error of the motion latents' velocity, all frames.
        depth_range: squared error of the near and far depths s, metres squared.
        points: squared error of the tracks' velocity.
        chamfer: squared Chamfer distance between refined and true tracks.
        depth_range_error: mean |predicted s - s| in metres, for the log only.
    """

    video: Tensor
    motion: Tensor
    depth_range: Tensor
    points: Tensor
    chamfer: Tensor
    depth_range_error: Tensor


def gather_losses(*parts: Mapping[str, Tensor]) -> Losses:
    """Return losses by name, from one or both networks, as ``Losses``; those of a network that was not run are 0."""
    losses = {name: value for part in parts for name, value in part.items()}
    zero = next(iter(losses.values())).new_zeros(())
    return Losses(*(losses.get(name, zero) for name in Losses._fields))


def diffusion_losses(
    output: MJDOutput, z_video: Tensor, z_motion: Tensor | None, batch: Batch, noise: Noise, error_of: ErrorOf
) -> dict[str, Tensor]:
    """Return the losses of the joint diffusion model (equation 3 of the SyncMV4D paper) by their names in ``Losses``.

    Args:
        output: the model's predictions.
        z_video: its input, noisy latents of the videos (B, V, C, n, h, w).
        z_motion: its input, noisy latents of the motion, of the same shape; None for a model of videos only, which has one loss.
        batch: clean latents and depth ranges.
        noise: noise and noise levels.
        error_of: the quantity whose error is squared, ``FlowConfig.error_of``.
    """
    video, true_video = flow_error(output.video, z_video, batch.z_video, noise.video, noise.t, error_of)
    losses = {"video": squared_error(video[:, :, :, 1:], true_video[:, :, :, 1:])}
    if z_motion is None:
        return losses
    motion, true_motion = flow_error(output.motion, z_motion, batch.z_motion, noise.motion, noise.t, error_of)
    return losses | {
        "motion": squared_error(motion, true_motion),
        "depth_range": squared_error(output.s, batch.s),
        "depth_range_error": (output.s.detach() - batch.s).abs().mean(),
    }


def alignment_losses(
    v: Tensor, M_t: Tensor, M: Tensor, noise: Tensor, t: Tensor, point_mask: Tensor, error_of: ErrorOf
) -> dict[str, Tensor]:
    """Return the losses of the points aligner (equation 4 of the SyncMV4D paper) by their names in ``Losses``.

    Args:
        v: predicted velocities of the tracks (B, V, N, K, 3).
        M_t: noisy tracks, of the same shape.
        M: true tracks.
        noise: the noise in ``M_t``.
        t: (B,) noise levels.
        point_mask: (B, V, K) bool, False for padding.
        error_of: the quantity whose error is squared, ``FlowConfig.error_of``.
    """
    predicted, true = flow_error(v, M_t, M, noise, t, error_of)
    return {
        "points": masked_squared_error(predicted, true, point_mask),
        "chamfer": chamfer(clean(M_t, v, t), M, point_mask),
    }


def flow_error(v: Tensor, z_t: Tensor, z0: Tensor, z1: Tensor, t: Tensor, error_of: ErrorOf) -> tuple[Tensor, Tensor]:
    """Return the prediction and the target whose difference a loss squares: velocities or clean data, depending on ``error_of``.

    Args:
        v: predicted velocities (B, ...).
        z_t: noisy state, of the same shape.
        z0: clean data.
        z1: noise.
        t: (B,) noise levels.
        error_of: ``velocity`` or ``clean``.
    """
    return (v, velocity(z0, z1)) if error_of == "velocity" else (clean(z_t, v, t), z0)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of two tensors of the same shape, as a scalar."""
    return (prediction - target).square().mean()


def masked_squared_error(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Return the mean squared difference of tracks (B, V, N, K, 3) over the points that ``point_mask`` (B, V, K) selects; 0 if there are none."""
    difference = (prediction - target).masked_fill(~point_mask[:, :, None, :, None], 0.0)
    return (difference.square().mean(dim=(2, 4)) / point_mask.sum().clamp(min=1)).sum()


def chamfer(prediction: Tensor, target: Tensor, point_mask: Tensor) -> Tensor:
    """Return the squared Chamfer distance between two sets of tracks, the mean over samples, frames and both directions, as a scalar.

    In each frame the points of all views form one cloud (equation 4 of the SyncMV4D paper).  The distance is 0 if no sample has a point.
    Neighbours are found without gradients and only the distances to them are differentiated, so no distance matrix is stored.

    Args:
        prediction: tracks (B, V, N, K, 3).
        target: true tracks, of the same shape.
        point_mask: (B, V, K) bool, False for padding.
    """
    clouds = zip(*(_merge_views(each, point_mask) for each in (prediction, target)), strict=True)
    distances = [_symmetric_distance(one, other) for one, other in clouds]
    return torch.stack(distances).mean() if distances else prediction.new_zeros(())


def _merge_views(tracks: Tensor, point_mask: Tensor) -> list[Tensor]:
    """Return one point cloud (P, 3) per frame of each sample that has points: the points of all its views, without padding."""
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
    """Return the index of each point's nearest neighbour in a cloud, (P, 3), (Q, 3) -> (P,) int64, from the table of all distances."""
    # A matrix product would lose the distance of near points.
    return torch.cdist(points, cloud, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)


def nearest_by_tree(points: Tensor, cloud: Tensor) -> Tensor:
    """Return the index of each point's nearest neighbour in a cloud, (P, 3), (Q, 3) -> (P,) int64, with a k-d tree on the CPU; any for NaN."""
    finite, places = (each.nan_to_num(0.0, 0.0, 0.0).numpy() for each in (points, cloud))
    return torch.from_numpy(cKDTree(places).query(finite)[1])
