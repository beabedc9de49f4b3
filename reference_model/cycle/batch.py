"""One batch of Algorithm 1's inputs, and one iteration's random noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.flow import sample_time
from reference_model.cycle.scene_frame import Cameras

_NONE_FOUND = 0.1
"""Share of samples whose coarse set is empty in the warm-up."""


class Batch(NamedTuple):
    """What lines 1 to 3 of Algorithm 1 compute once, and a cache therefore holds.

    Attributes:
        z_video: z_0^V (B, V, C, n, h, w), whose frame 0 is z^I.
        z_motion: z_0^Mpv (B, V, C, n, h, w).
        s: (B, V, 2) near and far, metres.
        text: (B, L, text_dim).
        world: M (B, V, N, K, 3) metres, each view's own points.
        anchors: (B, V, K, 2) pixels of these in frame 0.
        point_mask: (B, V, K) bool, false for padding where a view has fewer points.
        cameras: of the V views.
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
        """The batch on another device."""
        K, R, t, size = self.cameras
        moved = (each.to(device) for each in self[:-1])
        return Batch(*moved, cameras=Cameras(K.to(device), R.to(device), t.to(device), size))

    @property
    def intrinsics(self) -> Tensor:
        """(B, V, 2), (fx / W, fy / H)."""
        return self.cameras.intrinsics

    @property
    def normalized_anchors(self) -> Tensor:
        """Anchors as DPA takes them: ((u + 1/2) / W, (v + 1/2) / H)."""
        return self.cameras.normalize(self.anchors)


class Noise(NamedTuple):
    """The random numbers of one iteration.

    Attributes:
        t: (B,) noise levels.
        video, motion: z_1 of the latents, of their shape.
        points: M_1, of the tracks' shape.
        jitter: of the tracks' shape, what makes true tracks coarse in the warm-up.
        drop_uniform: (B, V, N, K) in [0, 1), which of these are found.
        guided: whether this iteration computes guidance; alike on all ranks, since all must call the same modules.
    """

    t: Tensor
    video: Tensor
    motion: Tensor
    points: Tensor
    jitter: Tensor
    drop_uniform: Tensor
    guided: bool

    def to(self, device: torch.device | str) -> Noise:
        """The numbers on another device."""
        return Noise(*(each.to(device) for each in self[:-1]), guided=self.guided)


def sample_noise(batch: Batch, config: SyncMV4DConfig, own: torch.Generator, shared: torch.Generator) -> Noise:
    """The random numbers of one iteration, on the CPU, so that they do not depend on the device.

    Args:
        batch: the batch that they are for.
        config: the model's.
        own: this rank's generator, of all but the coin.
        shared: alike on all ranks, of the coin.
    """
    points, latents = batch.world.shape, batch.z_video.shape
    drop_uniform = torch.rand(points[:-1], generator=own)
    drop_uniform[torch.rand(points[0], generator=own) < _NONE_FOUND] = 0.0
    return Noise(
        t=sample_time(len(batch.s), config.flow.training_shift, own),
        video=torch.randn(latents, generator=own),
        motion=torch.randn(latents, generator=own),
        points=torch.randn(points, generator=own),
        jitter=torch.randn(points, generator=own),
        drop_uniform=drop_uniform,
        guided=bool(torch.rand((), generator=shared) < config.cycle.training_guidance_share),
    )
