"""Conversion between the latents and the tracks of the closed loop (section 3.5 of the SyncMV4D paper).

The joint diffusion model's motion latents become coarse tracks for the points aligner, and the aligner's tracks become guidance for the former.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from hoibench.geometry import project, to_camera, to_world, unproject
from hoibench.geometry.motion_colours import OVERSHOOT
from hoibench.geometry.pseudo_video import depth_range, points_in_image, quantise, read_back, render
from reference_model.config import CycleConfig, PseudoVideoConfig
from reference_model.cycle.scene_frame import Cameras, SceneFrame
from reference_model.mjd.model import Baseline

Gradient = Literal["full", "depth_scale", "none"]
"""Gradient of decoded tracks: ``full`` through the decoder's depth channel and the depth range s, ``depth_scale`` through s only, or ``none``."""


class Autoencoder(Protocol):
    """The interface of a frozen video autoencoder, which converts one video at a time."""

    def encode(self, video: Tensor) -> Tensor:
        """Encode a video (N, H, W, 3) in [0, 1] to latents (C, n, h, w)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Decode latents (C, n, h, w) to a video (N, H, W, 3), differentiably; values may be beyond [0, 1]."""
        ...


class Autoencoders(NamedTuple):
    """The frozen autoencoders of a model: that of the videos, and that of the motion pseudo-videos; Wan's is both."""

    video: Autoencoder
    motion: Autoencoder


def encode_first_guidance(
    track_codec: TrackCodec | None,
    z_motion: Tensor | None,
    cycle: CycleConfig,
    frames: int,
    has_anchors: Tensor | None = None,
) -> Tensor | None:
    """Return the guidance before there are refined tracks, latents like ``z_motion`` (B, V, C, n, h, w): see ``CycleConfig.first_guidance``.

    Args:
        track_codec: the conversion of the batch's points, or None if there are no anchors: then guidance is zeros.
        z_motion: motion latents, for their shape; None for a model of videos only, which has no guidance.
        cycle: the configuration of the loop.
        frames: number N of frames.
        has_anchors: (B,) bool, False for samples whose guidance is zeros nevertheless.
    """
    if z_motion is None:
        return None
    if track_codec is None or cycle.first_guidance == "none":
        return torch.zeros_like(z_motion)
    z = track_codec.encode_anchors(frames)
    return z if has_anchors is None else z * has_anchors.to(z).view(-1, *[1] * (z.ndim - 1))


@torch.no_grad()
def build_baseline(
    z_image: Tensor, frames: int, autoencoder: Autoencoder, cameras: Cameras, scene_frame: SceneFrame
) -> Baseline:
    """Build the still clip of N frames from which a residual model's outputs are differences.

    Args:
        z_image: z^I (B, V, C, 1, h, w), latents of the reference images.
        frames: number N of frames.
        autoencoder: the autoencoder of the videos.
        cameras: the cameras of the views.
        scene_frame: the coordinate frame of the tracks.
    """
    images = [autoencoder.decode(z)[0].clamp(0, 1) for z in z_image.flatten(0, 1).float()]
    held = torch.stack([autoencoder.encode(image.expand(frames, -1, -1, -1)) for image in images])
    depth = to_camera(scene_frame.centre[:, None, None], cameras.R, cameras.t)[..., 0, 2]
    return Baseline(held.unflatten(0, z_image.shape[:2]), depth)


@dataclass(frozen=True)
class TrackCodec:
    """The conversion between tracks and motion latents (latents of videos that show the tracks as coloured points), for one batch.

    Attributes:
        autoencoder: encoder E and decoder D of the pseudo-videos.
        cameras: the cameras of the batch.
        scene_frame: coordinate frame of the tracks.
        anchors: (B, V, K, 2) pixels of the points in frame 0.
        point_mask: (B, V, K) bool, False for padding.
        style: options for rendering the pseudo-videos.
    """

    autoencoder: Autoencoder
    cameras: Cameras
    scene_frame: SceneFrame
    anchors: Tensor
    point_mask: Tensor
    style: PseudoVideoConfig

    def decode_tracks(self, z_motion: Tensor, s: Tensor, gradient: Gradient = "none") -> tuple[Tensor, Tensor]:
        """Decode coarse tracks from motion latents: "Denorm & Dec" in lines 7 and 11 of Algorithm 1 of the SyncMV4D paper.

        Args:
            z_motion: (B, V, C, n, h, w), latents of the motion pseudo-videos.
            s: (B, V, 2) their near and far depth, metres.
            gradient: the gradient that the tracks pass on, see ``Gradient``.

        Returns:
            Tracks (B, V, N, K, 3) in the scene frame and its units, zero for points that were not found; and found (B, V, N, K) bool.
        """
        enabled = torch.is_grad_enabled()
        with _full_precision(z_motion), torch.set_grad_enabled(enabled and gradient == "full"):
            videos = {view: self.autoencoder.decode(z_motion[view]) for view in self._views()}
        with _full_precision(z_motion), torch.set_grad_enabled(enabled and gradient != "none"):
            world, found = zip(*(self._read(view, video, s[view]) for view, video in videos.items()), strict=True)
            shape = self.anchors.shape[:2]
            coarse = self.scene_frame.from_world(torch.stack(world).unflatten(0, shape))
        found = torch.stack(found).unflatten(0, shape)
        return coarse.masked_fill(~found[..., None], 0.0), found

    @torch.no_grad()
    def encode_guidance(self, M: Tensor) -> Tensor:
        """Render tracks as motion pseudo-videos and encode them: "E(Proj & Norm)" in line 8 of Algorithm 1 of the SyncMV4D paper.

        Args:
            M: tracks (B, V, N, K, 3) in the scene frame and its units.

        Returns:
            Latents (B, V, C, n, h, w): of refined tracks, the guidance of the joint diffusion model; of true ones, its motion.
        """
        with _full_precision(M):
            world = self.scene_frame.to_world(M)
            z = torch.stack([self.autoencoder.encode(self._render(view, world[view])) for view in self._views()])
        return z.unflatten(0, self.anchors.shape[:2])

    @torch.no_grad()
    def encode_anchors(self, frames: int) -> Tensor:
        """Draw the points held still at their anchors, all at the middle of the depth range, and encode these pseudo-videos of N frames.

        Returns:
            Latents (B, V, C, n, h, w), the guidance of the joint diffusion model while there are no refined tracks.
        """
        with _full_precision(self.anchors):
            z = torch.stack([self.autoencoder.encode(self._draw_anchors(view, frames)) for view in self._views()])
        return z.unflatten(0, self.anchors.shape[:2])

    def _views(self) -> Iterator[tuple[int, int]]:
        return ((b, v) for b in range(self.anchors.shape[0]) for v in range(self.anchors.shape[1]))

    def _read(self, view: tuple[int, int], video: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Read the tracks of one view, at index (sample, view), from its decoded pseudo-video.

        Returns:
            World points (N, K, 3) in metres, and found (N, K) bool; nothing is found if the video or s has NaN, which the losses report.
        """
        if not (video.isfinite().all() and s.isfinite().all()):
            nothing = video.new_zeros(len(video), self.anchors.shape[2], 3)
            return nothing, nothing[..., 0].bool()
        anchors = self.anchors[view].masked_fill(
            ~self.point_mask[view][:, None], torch.nan
        )  # has no colour, so it is never found
        reading = read_back(
            video.clamp(-OVERSHOOT, 1 + OVERSHOOT),  # a linear autoencoder decodes poor latents to any colour
            anchors,
            s,
            radius=self.style.radius,
            darkest=self.style.darkest,
            match_within=self.style.match_within,
        )
        K, R, t, _ = self.cameras
        world = to_world(unproject(reading.pixels, reading.depth, K[view]), R[view], t[view])
        return world, reading.found & (reading.depth.detach() > 0)

    def _render(self, view: tuple[int, int], world: Tensor) -> Tensor:
        """Render world points (N, K, 3) as the pseudo-video (N, H, W, 3) of one view, at index (sample, view)."""
        K, R, t, size = self.cameras
        in_camera = to_camera(world, R[view], t[view])
        pixels, depth = project(in_camera, K[view]), in_camera[..., 2]
        visible = self.point_mask[view] & in_camera.isfinite().all(dim=-1)
        drawn = points_in_image(pixels, depth, size, visible=visible)
        s = depth_range(depth, drawn) if drawn.any() else depth.new_tensor([0.0, 1.0])  # no visible point: black
        return self._draw(view, pixels, depth, s, visible)

    def _draw_anchors(self, view: tuple[int, int], frames: int) -> Tensor:
        """Draw the points of one view at their anchors, in the middle of the depth range, as a pseudo-video (N, H, W, 3) of equal frames."""
        pixels = self.anchors[view][None]
        depth = torch.full_like(pixels[..., 0], 1.5)
        video = self._draw(view, pixels, depth, depth.new_tensor([1.0, 2.0]), self.point_mask[view][None])
        return video.expand(frames, -1, -1, -1)

    def _draw(self, view: tuple[int, int], pixels: Tensor, depth: Tensor, s: Tensor, visible: Tensor) -> Tensor:
        """Draw points at pixels (N, K, 2) with depths (N, K), those that are ``visible`` (N, K), as a pseudo-video (N, H, W, 3) of range s (2,)."""
        style, size = self.style, self.cameras.size
        video = render(
            pixels,
            depth,
            self.anchors[view],
            s,
            size,
            visible=visible,
            radius=style.radius,
            depth_tolerance=style.depth_tolerance,
            darkest=style.darkest,
            first_depth=style.first_depth,
        )
        return quantise(video) if style.eight_bit else video


def _full_precision(z: Tensor) -> torch.autocast:
    """Return a context manager that disables autocast on z's device: in half precision, projections would be off by pixels."""
    return torch.autocast(z.device.type, enabled=False)
