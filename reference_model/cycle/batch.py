"""The training batch of Algorithm 1 of the SyncMV4D paper, and the random numbers of one training iteration."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, take_along_dim

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.scene_frame import Cameras
from reference_model.mjd.model import Baseline
from reference_model.rectified_flow import sample_time

EMPTY_SHARE = 0.1
"""Share of training samples in which the warm-up marks all coarse points as not found; not in paper."""


Networks = Literal["both", "mjd", "dpa"]
"""The networks that an iteration trains: the joint diffusion model (MJD), the points aligner (DPA), or both."""


class Batch(NamedTuple):
    """The data of one training iteration, B samples of V views: lines 1 to 3 of Algorithm 1 of the SyncMV4D paper, from the latent cache.

    Attributes:
        z_video: z_0^V (B, V, C, n, h, w), clean latents of the videos; their frame 0 is z^I, the latents of the reference image.
        z_motion: z_0^Mpv (B, V, C, n, h, w), clean latents of the motion pseudo-videos.
        s: (B, V, 2) near and far depth of the pseudo-videos, metres.
        text: (B, L, text_dim), umT5 embedding of the prompts.
        world: M (B, V, N, K, 3), tracks of K points over N frames in world coordinates, metres; each view has its own points.
        anchors: (B, V, K, 2) pixels of these points in frame 0.
        point_mask: (B, V, K) bool, False for padding in views with fewer points.
        cameras: the V cameras of each sample.
        baseline: the still clip from which a residual model's outputs are differences, else None.
    """

    z_video: Tensor
    z_motion: Tensor
    s: Tensor
    text: Tensor
    world: Tensor
    anchors: Tensor
    point_mask: Tensor
    cameras: Cameras
    baseline: Baseline | None = None

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on another device."""
        K, R, t, size = self.cameras
        moved = (each.to(device) if isinstance(each, Tensor) else each for each in self)
        return Batch(*moved)._replace(cameras=Cameras(K.to(device), R.to(device), t.to(device), size))

    @property
    def intrinsics(self) -> Tensor:
        """Focal lengths of the cameras relative to the image size, (fx / W, fy / H): (B, V, 2)."""
        return self.cameras.intrinsics

    @property
    def frames(self) -> int:
        """The number N of frames."""
        return self.world.shape[2]

    @property
    def normalized_anchors(self) -> Tensor:
        """Anchors (B, V, K, 2) relative to the image size, ((u + 1/2) / W, (v + 1/2) / H), as the points aligner expects them."""
        return self.cameras.normalize(self.anchors)


class Noise(NamedTuple):
    """The random numbers of one training iteration: the noise levels ``t``, the noise itself, and whether the iteration is ``guided``.

    Attributes:
        t: (B,) noise levels.
        video, motion: z_1 (B, V, C, n, h, w), normal noise of the video and motion latents.
        points: M_1 (B, V, N, K, 3), normal noise of the tracks.
        jitter: (B, V, N, K, 3) normal noise, which makes true tracks coarse in the warm-up.
        drop_uniform: (B, V, N, K) uniform in [0, 1), which decides which coarse points are found in the warm-up.
        guided: whether the joint diffusion model gets guidance (latents of refined tracks) in this iteration; equal in all training processes,
            since all must call the same modules.
        has_anchors: (B,) bool, False for samples whose first guidance is left out.
        motion_share: (B,) uniform in [0, 1), the share of true motion in the guidance of the warm-up.
        loss_points: (B, V, P) indices of the points that the points aligner's loss takes, or None for all K.
    """

    t: Tensor
    video: Tensor
    motion: Tensor
    points: Tensor
    jitter: Tensor
    drop_uniform: Tensor
    guided: bool
    has_anchors: Tensor
    motion_share: Tensor
    loss_points: Tensor | None

    def to(self, device: torch.device | str) -> Noise:
        """Return the same numbers with all tensors on another device."""
        return Noise(*(each.to(device) if isinstance(each, Tensor) else each for each in self))


def sample_noise(
    batch: Batch, config: SyncMV4DConfig, rank_generator: torch.Generator, shared_generator: torch.Generator
) -> Noise:
    """Sample the random numbers of one training iteration, on the CPU, so that they do not depend on the training device.

    Shapes are those of ``batch``; the result is on the CPU.

    Args:
        batch: the batch of the iteration, for its shapes.
        config: the configuration of the model.
        rank_generator: this training process's CPU generator, for everything but ``guided``.
        shared_generator: a CPU generator in the same state in all training processes, for ``guided``.
    """
    points, latents = batch.world.shape, batch.z_video.shape
    drop_uniform = torch.rand(points[:-1], generator=rank_generator)
    drop_uniform[torch.rand(points[0], generator=rank_generator) < EMPTY_SHARE] = 0.0
    return Noise(
        t=sample_time(len(batch.s), config.flow.training_shift, rank_generator),
        video=torch.randn(latents, generator=rank_generator),
        motion=torch.randn(latents, generator=rank_generator),
        points=torch.randn(points, generator=rank_generator),
        jitter=torch.randn(points, generator=rank_generator),
        drop_uniform=drop_uniform,
        guided=bool(torch.rand((), generator=shared_generator) < config.cycle.guidance_probability),
        has_anchors=torch.rand(points[0], generator=rank_generator) >= config.cycle.first_guidance_dropout,
        motion_share=torch.rand(points[0], generator=rank_generator),
        loss_points=_sample_points(batch.point_mask, config.cycle.loss_points, rank_generator),
    )


def select_points(
    indices: Tensor | None, anchors: Tensor, point_mask: Tensor, *tracks: Tensor
) -> tuple[Tensor, Tensor, *tuple[Tensor, ...]]:
    """Return anchors (B, V, K, 2), ``point_mask`` (B, V, K) and tracks, each (B, V, N, K) or (B, V, N, K, 3), for the points ``indices`` only.

    The indices are (B, V, P); None keeps all K points.
    """
    if indices is None:
        return anchors, point_mask, *tracks
    rows = indices[:, :, None]
    selected = (take_along_dim(each, rows if each.ndim == 4 else rows[..., None], dim=3) for each in tracks)
    return take_along_dim(anchors, indices[..., None], dim=2), point_mask.gather(2, indices), *selected


def _sample_points(point_mask: Tensor, count: int | None, generator: torch.Generator) -> Tensor | None:
    """Return the indices (B, V, P) of at most ``count`` random points of each view; padding is chosen only where a view has fewer points."""
    if count is None:
        return None
    order = torch.rand(point_mask.shape, generator=generator) + ~point_mask
    return order.argsort(dim=-1)[..., :count]
