"""One view of a clip for the latent cache: its video resized, its motion pseudo-video rendered from the true tracks, and both encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hoibench.clip import Array, Camera, Clip, Cluster, Tracks
from hoibench.geometry import project, resize_intrinsics, to_camera
from hoibench.geometry.motion_colours import depth_range, quantise
from hoibench.geometry.pseudo_video import render
from hoibench.geometry.splatting import points_in_image
from hoibench.video import resize
from reference_model.cache import LatentView
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.track_codec import Autoencoders


@dataclass(frozen=True, eq=False)
class RenderedView:
    """One view of a clip before its videos are encoded.

    Attributes:
        video, motion: the video and the motion pseudo-video, (N, H, W, 3) float32 in [0, 1].
        fields: the fields of ``LatentView`` other than its latents, by name.
    """

    video: Array
    motion: Array
    fields: Mapping[str, Any]


def encode_view(rendered: RenderedView, autoencoders: Autoencoders, dtype: torch.dtype) -> LatentView:
    """Return the view as it is cached, with both videos encoded to latents of type ``dtype`` on the CPU."""
    z_video, z_motion = (
        autoencoder.encode(torch.from_numpy(video)).to("cpu", dtype)
        for autoencoder, video in zip(autoencoders, (rendered.video, rendered.motion), strict=True)
    )
    return LatentView(z_video=z_video, z_motion=z_motion, **rendered.fields)


def render_view(clip: Clip, index: int, config: SyncMV4DConfig) -> RenderedView:
    """Resize the video of view ``index`` of a clip to the model's video size, and render the motion pseudo-video of its true tracks.

    The points are those of the clip that the view sees in frame 0, at most ``config.pseudo_video.points``.  If it sees fewer, there are fewer (the
    SyncMV4D paper has K in every view): a point hidden in frame 0 has no anchor pixel.  They are drawn in every frame in which their part was
    recorded, and occlude only each other, as when training renders tracks of the points aligner: lines 2 and 8 of Algorithm 1 are one operator.

    Raises:
        ValueError: the clip has no video, tracks or camera, has another length, or the view sees no point in frame 0.
    """
    video, tracks, camera, cluster = _read_truth(clip, index, config)
    size, style = (config.height, config.width), config.pseudo_video
    points = _choose_points(tracks.visible[index, 0], style.points, clip.views[index].id)
    world = tracks.world[:, points]
    K = resize_intrinsics(camera.K, camera.size, size)
    in_camera = to_camera(world.astype(np.float64), camera.R, camera.t)
    pixels, depth = project(in_camera, K), in_camera[..., 2]
    recorded = None if tracks.recorded is None else tracks.recorded[:, points]
    s = depth_range(depth, points_in_image(pixels, depth, size, visible=recorded))
    motion = render(
        pixels,
        depth,
        pixels[0],
        s,
        size,
        visible=recorded,
        radius=style.radius,
        depth_tolerance=style.depth_tolerance,
        darkest=style.darkest,
    )
    fields = {
        "clip": clip.id,
        "view": clip.views[index].id,
        "cluster": cluster,
        "prompt": clip.prompt or "",
        "visible": torch.from_numpy(tracks.visible[index][:, points]),
        "part": torch.from_numpy(tracks.part[points]),
    }
    floats = {"s": s, "anchors": pixels[0], "world": world, "K": K, "R": camera.R, "t": camera.t}
    return RenderedView(
        resize(video, size).astype(np.float32) / 255,
        quantise(motion) if style.eight_bit else motion,
        fields | {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in floats.items()},
    )


def _read_truth(clip: Clip, index: int, config: SyncMV4DConfig) -> tuple[Array, Tracks, Camera, Cluster]:
    """Return video (N, H, W, 3) uint8, tracks, camera and camera cluster of view ``index`` of a clip; raise ValueError if one is missing."""
    view = clip.views[index]
    if clip.frames != config.frames:
        raise ValueError(f"the clip has {clip.frames} frames, the model {config.frames}")
    if clip.video is None or clip.tracks is None or view.camera is None or view.cluster is None:
        raise ValueError(f"view {view.id} has no video, tracks, camera or cluster")
    return clip.video[index], clip.tracks, view.camera, view.cluster


def _choose_points(visible: Array, most: int, view: str) -> Array:
    """Return the indices (K',) of points that are visible in frame 0, at most ``most`` of them.

    If more are visible, the choice is evenly spaced, so that every part has its share: points are ordered by part.

    Args:
        visible: (K,) bool, visibility of each point in frame 0.
        most: largest number K' of points.
        view: id of the view, for the error message.
    """
    indices = np.flatnonzero(visible)
    if not indices.size:
        raise ValueError(f"view {view} sees no point in frame 0")
    count = min(most, indices.size)
    return indices[np.arange(count) * indices.size // count]
