"""A small joint batch for tests of the closed loop, and autoencoders to run it with.

Three cameras look at ``TARGET``.  Each view has twelve points on a 4 x 3 grid in frame 0, which move by one rigid motion, so points do not occlude
each other and every anchor is the projection of its track.  Sample 0 has fewer points in view 2; the others are padding.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from hoibench.geometry import depth_range, points_in_image, project, render, to_camera, to_world, unproject
from reference_model.config import PRESETS, CycleConfig, FlowConfig, SyncMV4DConfig
from reference_model.cycle.batch import Batch, Noise, sample_noise
from reference_model.cycle.scene_frame import Cameras
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

B, V, N, K, SIZE = 2, 3, 9, 12, (32, 64)
LATENT = (3, 2, 4)
TARGET = torch.tensor([0.4, -1.2, 2.0])
PADDED = (0, 2, 3)
"""Sample, view, and the number of its last points that are padding."""

STRIDE = (4, 16, 16)


class FoldingCoder:
    """An exact substitute for the video autoencoder: folds each block of 4 x 16 x 16 pixels into the channels of one latent.

    Frame 0 has its own latent frame, as in Wan's; three copies of it fill the block, and decoding drops them.  Decoded values are clipped to [0, 1],
    as in Wan's decoder.
    """

    channels = 3 * math.prod(STRIDE)

    def encode(self, video: Tensor) -> Tensor:
        t, p, q = STRIDE
        filled = torch.cat([video[:1].expand(t - 1, -1, -1, -1), video])
        n, h, w = (length // step for length, step in zip(filled.shape[:3], STRIDE, strict=True))
        return filled.reshape(n, t, h, p, w, q, 3).permute(1, 3, 5, 6, 0, 2, 4).reshape(self.channels, n, h, w)

    def decode(self, z: Tensor) -> Tensor:
        t, p, q = STRIDE
        n, h, w = z.shape[1:]
        blocks = z.reshape(t, p, q, 3, n, h, w).permute(4, 0, 5, 1, 6, 2, 3)
        return blocks.reshape(n * t, h * p, w * q, 3)[t - 1 :].clamp(0, 1)


def tiny_config(channels: int = 16, *, cycle: CycleConfig | None = None, **changed) -> SyncMV4DConfig:
    """Return nano on a smaller grid, narrower and with fewer blocks."""
    nano = PRESETS["nano"]
    return dataclasses.replace(
        nano,
        frames=N,
        height=SIZE[0],
        width=SIZE[1],
        mjd=dataclasses.replace(nano.mjd, in_channels=channels, num_attention_heads=2, ffn_dim=48, num_layers=1),
        dpa=dataclasses.replace(nano.dpa, width=32, heads=2, num_layers=2, window=8, sparse_conv="torch", voxel=0.5),
        pseudo_video=dataclasses.replace(nano.pseudo_video, points=K, radius=1),
        flow=FlowConfig(steps=4, text_guidance_scale=3.0),
        cycle=cycle or CycleConfig(),
        **changed,
    )


def tiny_models(config: SyncMV4DConfig) -> tuple[MultiViewJointDiffusion, DiffusionPointsAligner]:
    """Return both models with no parameter at zero, as after training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = (
            MultiViewJointDiffusion(config.mjd),
            DiffusionPointsAligner(config.dpa),
        )
        with torch.no_grad():
            for parameter in (each for model in models for each in model.parameters()):
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return models


def looking_at(target: Tensor, *degrees: float, distance: float = 0.9, size: tuple[int, int] = SIZE) -> Cameras:
    """Return one sample of cameras on a circle around a point, which is at the centre of each image."""
    rotations, translations = [], []
    for number, degree in enumerate(degrees):
        a = math.radians(degree)
        away = torch.tensor([math.sin(a), 0.2 * (-1) ** number, -math.cos(a)])
        centre = target + distance * away / away.norm()
        z = torch.nn.functional.normalize(target - centre, dim=0)
        x = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), z), dim=0)
        rotation = torch.stack([x, torch.linalg.cross(z, x), z])
        rotations.append(rotation)
        translations.append(-rotation @ centre)
    height, width = size
    intrinsics = torch.tensor([[60.0, 0.0, (width - 1) / 2], [0.0, 50.0, (height - 1) / 2], [0.0, 0.0, 1.0]])
    views = len(degrees)
    return Cameras(
        intrinsics.expand(1, views, 3, 3), torch.stack(rotations)[None], torch.stack(translations)[None], size
    )


def rotation(axis: Tensor, degrees: float) -> Tensor:
    """Return the (3, 3) rotation by an angle about an axis (3,)."""
    x, y, z = torch.nn.functional.normalize(axis, dim=0).tolist()
    return torch.linalg.matrix_exp(math.radians(degrees) * torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]))


def tiny_batch(autoencoder: FoldingCoder, batch: int = B, seed: int = 0) -> Batch:
    """Return latents of ``autoencoder``, true tracks and cameras of ``batch`` samples."""
    g = torch.Generator().manual_seed(seed)
    K_, R, t, size = (
        torch.cat(each) if isinstance(each[0], Tensor) else each[0]
        for each in zip(*(looking_at(TARGET + b, -40 - 5 * b, 0, 35) for b in range(batch)), strict=True)
    )
    cameras = Cameras(K_.contiguous(), R, t, size)
    u, v = torch.meshgrid(torch.linspace(12, 48, 4), torch.linspace(7, 25, 3), indexing="xy")
    grid = torch.stack([u.flatten(), v.flatten()], dim=-1)
    anchors = grid + torch.rand(batch, V, K, 2, generator=g) * 2 - 1
    tracks = [
        _move_rigidly(anchors[b, v], K_[b, v], R[b, v], t[b, v], TARGET + b, g) for b in range(batch) for v in range(V)
    ]
    world = torch.stack(tracks).unflatten(0, (batch, V))
    point_mask = torch.ones(batch, V, K, dtype=torch.bool)
    sample, view, count = PADDED
    point_mask[sample, view, K - count :] = False
    anchors[sample, view, K - count :] = 0.0
    world[sample, view, :, K - count :] = 0.0
    indices = [(b, v) for b in range(batch) for v in range(V)]
    views = [_render_tracks(world[at], anchors[at], point_mask[at], K_[at], R[at], t[at]) for at in indices]
    videos = torch.rand(batch * V, N, *size, 3, generator=g)
    return Batch(
        z_video=torch.stack([autoencoder.encode(video) for video in videos]).unflatten(0, (batch, V)),
        z_motion=torch.stack([autoencoder.encode(video) for _, video in views]).unflatten(0, (batch, V)),
        s=torch.stack([s for s, _ in views]).unflatten(0, (batch, V)),
        text=torch.randn(batch, 5, PRESETS["nano"].mjd.text_dim, generator=g),
        world=world,
        anchors=anchors,
        point_mask=point_mask,
        cameras=cameras,
    )


def tiny_noise(batch: Batch, config: SyncMV4DConfig, *, guided: bool, seed: int = 1) -> Noise:
    """Return one iteration's random numbers, with or without guidance."""
    own, shared = (torch.Generator().manual_seed(seed) for _ in range(2))
    return sample_noise(batch, config, own, shared)._replace(guided=guided)


def _move_rigidly(anchors: Tensor, K: Tensor, R: Tensor, t: Tensor, pivot: Tensor, g: torch.Generator) -> Tensor:
    """Return world tracks (N, K, 3) of pixels at random depths near the target, rotated by 12 degrees and shifted by 4 cm over the clip."""
    depth = 0.85 + 0.1 * torch.rand(len(anchors), generator=g)
    start = to_world(unproject(anchors, depth, K), R, t)
    axis, shift = torch.tensor([0.2, 1.0, 0.1]), torch.tensor([0.03, -0.02, 0.02])
    frames = [
        pivot + (start - pivot) @ rotation(axis, 12 * share).T + share * shift for share in torch.linspace(0, 1, N)
    ]
    return torch.stack(frames)


def _render_tracks(
    world: Tensor, anchors: Tensor, point_mask: Tensor, K: Tensor, R: Tensor, t: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the depth range and pseudo-video of one view's tracks."""
    seen = to_camera(world, R, t)
    pixels, depth = project(seen, K), seen[..., 2]
    visible = point_mask.expand_as(depth)
    s = depth_range(depth, points_in_image(pixels, depth, SIZE, visible=visible))
    return s, render(pixels, depth, anchors, s, SIZE, visible=visible)
