"""One view of a clip drawn for the cache: its video on the model's grid, its motion pseudo-video, and the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoibench.clip import Array, Camera, Clip, Cluster, Tracks
from hoibench.geometry import project, resize_intrinsics, to_camera
from hoibench.geometry.motion_colours import depth_range, quantise
from hoibench.geometry.pseudo_video import render
from hoibench.geometry.splatting import points_in_image
from hoibench.video import resize
from reference_model.cache.files import LatentView
from reference_model.config import SyncMV4DConfig


@dataclass(frozen=True, eq=False)
class Drawing:
    """A view before it is encoded.

    Attributes:
        video, motion: (N, H, W, 3) float32 in [0, 1].
        kept: the fields of ``LatentView`` that are not encoded.
    """

    video: Array
    motion: Array
    kept: Mapping[str, Any]

    def encoded(self, encode: Callable[[Array], Tensor], dtype: torch.dtype) -> LatentView:
        """The view with both videos encoded, (N, H, W, 3) -> (C, n, h, w), and their latents in ``dtype``."""
        z_video, z_motion = (encode(video).to("cpu", dtype) for video in (self.video, self.motion))
        return LatentView(z_video=z_video, z_motion=z_motion, **self.kept)


def draw(clip: Clip, index: int, config: SyncMV4DConfig) -> Drawing:
    """Draw view ``index`` of a clip on a configuration's grid.

    The view's points are those of the clip that it sees in frame 0, at most ``config.pseudo_video.points`` of them.  Where it sees fewer, there are
    fewer, which deviates from the paper's K in every view: what is hidden in frame 0 has no anchor pixel there.  They are drawn in every frame that
    was recorded, and only they themselves hide each other, as when the loop draws: lines 2 and 8 of Algorithm 1 are one operator.

    Raises:
        ValueError: the clip lacks video, tracks or camera, has another length, or the view sees no point in frame 0.
    """
    video, tracks, camera, cluster = _truth(clip, index, config)
    size, style = (config.height, config.width), config.pseudo_video
    points = _seen_first(tracks.visible[index, 0], style.points, f"view {clip.views[index].id}")
    world = tracks.world[:, points]
    K = resize_intrinsics(camera.K, camera.size, size)
    seen = to_camera(world.astype(np.float64), camera.R, camera.t)
    pixels, depth = project(seen, K), seen[..., 2]
    recorded = None if tracks.recorded is None else tracks.recorded[:, points]
    s = depth_range(depth, points_in_image(pixels, depth, size, visible=recorded))
    motion = render(pixels, depth, pixels[0], s, size, visible=recorded, radius=style.radius, darkest=style.darkest)
    view = {
        "clip": clip.id,
        "view": clip.views[index].id,
        "cluster": cluster,
        "prompt": clip.prompt or "",
        "visible": torch.from_numpy(tracks.visible[index][:, points]),
        "part": torch.from_numpy(tracks.part[points]),
    }
    numbers = {"s": s, "anchors": pixels[0], "world": world, "K": K, "R": camera.R, "t": camera.t}
    return Drawing(
        resize(video, size).astype(np.float32) / 255,
        quantise(motion) if style.eight_bit else motion,
        view | {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in numbers.items()},
    )


def _truth(clip: Clip, index: int, config: SyncMV4DConfig) -> tuple[Array, Tracks, Camera, Cluster]:
    """The video (N, H, W, 3) uint8, tracks, camera and cluster of a view."""
    view = clip.views[index]
    if clip.frames != config.frames:
        raise ValueError(f"the clip has {clip.frames} frames, the model {config.frames}")
    if clip.tracks is None:
        raise ValueError("the clip has no tracks")
    if view.camera is None or view.cluster is None:
        raise ValueError(f"view {view.id} has no {'camera' if view.camera is None else 'cluster'}")
    if clip.video is None:
        raise ValueError("the clip has no video")
    return clip.video[index], clip.tracks, view.camera, view.cluster


def _seen_first(visible: Array, most: int, where: str) -> Array:
    """Indices of the points seen in frame 0, (K,) bool -> (K',), K' at most ``most``, spread evenly: points lie in order of their parts."""
    seen = np.flatnonzero(visible)
    if not seen.size:
        raise ValueError(f"{where} sees no point in frame 0")
    count = min(most, seen.size)
    return seen[np.arange(count) * seen.size // count]
