"""A batch of Algorithm 1, and the random numbers of one iteration."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.rectified_flow import sample_time
from reference_model.cycle.scene_frame import Cameras

_EMPTY_SHARE = 0.1
"""Share of samples without coarse points in the warm-up."""


class Batch(NamedTuple):
    """The results of lines 1 to 3 of Algorithm 1, which the latent cache stores.

    Attributes:
        z_video: z_0^V (B, V, C, n, h, w); frame 0 is z^I.
        z_motion: z_0^Mpv (B, V, C, n, h, w).
        s: (B, V, 2) near and far, metres.
        text: (B, L, text_dim).
        world: tracks M (B, V, N, K, 3) in world coordinates, metres; each view has its own points.
        anchors: (B, V, K, 2) pixels of these points in frame 0.
        point_mask: (B, V, K) bool, False for padding in views with fewer points.
        cameras: the V cameras.
    """

    z_video: Tensor
    z_motion: Tensor
    s: Tensor
    text: Tensor
    world: Tensor
    anchors: Tensor
    point_mask: Tensor
    cameras: Cameras

    def to(self, device: torch.device | str) -> Batch:
        """Move the batch to another device."""
        K, R, t, size = self.cameras
        moved = (each.to(device) for each in self[:-1])
        return Batch(*moved, cameras=Cameras(K.to(device), R.to(device), t.to(device), size))

    @property
    def intrinsics(self) -> Tensor:
        """Normalized focal lengths (B, V, 2), (fx / W, fy / H)."""
        return self.cameras.intrinsics

    @property
    def normalized_anchors(self) -> Tensor:
        """Anchors in the coordinates of DPA, ((u + 1/2) / W, (v + 1/2) / H)."""
        return self.cameras.normalize(self.anchors)


class Noise(NamedTuple):
    """The random numbers of one iteration.

    Attributes:
        t: (B,) noise levels.
        video, motion: z_1 of the latents.
        points: M_1 of the tracks.
        jitter: normal noise of the tracks' shape, which makes true tracks coarse in the warm-up.
        drop_uniform: (B, V, N, K) uniform in [0, 1), which decides which coarse points are found in the warm-up.
        guided: whether this iteration computes guidance; equal on all ranks, since all must call the same modules.
    """

    t: Tensor
    video: Tensor
    motion: Tensor
    points: Tensor
    jitter: Tensor
    drop_uniform: Tensor
    guided: bool

    def to(self, device: torch.device | str) -> Noise:
        """Move the numbers to another device."""
        return Noise(*(each.to(device) for each in self[:-1]), guided=self.guided)


def sample_noise(batch: Batch, config: SyncMV4DConfig, own: torch.Generator, shared: torch.Generator) -> Noise:
    """Sample the random numbers of one iteration, on the CPU, so that they do not depend on the device.

    Args:
        batch: the batch of the iteration.
        config: the configuration of the model.
        own: this rank's generator, for everything but ``guided``.
        shared: a generator that is equal on all ranks, for ``guided``.
    """
    points, latents = batch.world.shape, batch.z_video.shape
    drop_uniform = torch.rand(points[:-1], generator=own)
    drop_uniform[torch.rand(points[0], generator=own) < _EMPTY_SHARE] = 0.0
    return Noise(
        t=sample_time(len(batch.s), config.flow.training_shift, own),
        video=torch.randn(latents, generator=own),
        motion=torch.randn(latents, generator=own),
        points=torch.randn(points, generator=own),
        jitter=torch.randn(points, generator=own),
        drop_uniform=drop_uniform,
        guided=bool(torch.rand((), generator=shared) < config.cycle.training_guidance_share),
    )
