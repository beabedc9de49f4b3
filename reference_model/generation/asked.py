"""What a request asks of a model, as tensors: checked, and in the order of views that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoibench.clip import CLUSTERS, Array, Camera, Request, View, check_shape
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.scene_frame import Cameras


class Asked(NamedTuple):
    """One request, B = 1.

    Attributes:
        order: place in the request of each of the model's V views; see ``view_order``.
        images: (V, H, W, 3) float32 in [0, 1].
        cameras: of the V views.
        anchors: (1, V, K, 2) pixels in frame 0, zero where there is no such pixel; None where the model is to choose.
        there: (1, V, K) bool, where there is one.
    """

    order: tuple[int, ...]
    images: Tensor
    cameras: Cameras
    anchors: Tensor | None
    point_mask: Tensor | None

    @property
    def intrinsics(self) -> Tensor:
        """(1, V, 2), (fx / W, fy / H)."""
        return self.cameras.intrinsics


def asked(request: Request, config: SyncMV4DConfig, device: torch.device | str) -> Asked:
    """The tensors of a request; raises as ``check_request``."""
    check_request(request, config)
    order = view_order(request.views)
    frames = np.stack([request.views[i].image for i in order])  # type: ignore[misc]  # checked
    cameras = _stacked([request.views[i].camera for i in order], request.size, device)  # type: ignore[misc]
    images = torch.from_numpy(frames.astype(np.float32) / 255).to(device)
    if request.anchors is None:
        return Asked(order, images, cameras, None, None)
    return Asked(order, images, cameras, *anchors_of(np.asarray(request.anchors)[list(order)], device))


def check_request(request: Request, config: SyncMV4DConfig) -> None:
    """See that a request is one for a model, before anything is loaded or computed.

    Raises:
        ValueError: the request is on another grid than the model's or lacks what it needs; names the view and what is missing.
    """
    _check_grid(request, config)
    for view in request.views:
        _check_view(view, request.size)
    if request.anchors is not None:
        _check_anchors(request.clip_id, request.anchors, config.mjd.views)


def view_order(views: Sequence[View]) -> tuple[int, ...]:
    """The views from left to right: the index on RoPE's time axis means a place; as they come where one's cluster is not known."""
    indices = range(len(views))
    if any(view.cluster is None for view in views):
        return tuple(indices)
    return tuple(sorted(indices, key=lambda i: CLUSTERS.index(views[i].cluster)))


def anchors_of(pixels: np.ndarray, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Anchors (1, V, K, 2) and which of them are there (1, V, K), of pixels (V, K, 2) that are NaN or infinite where there is none."""
    anchors = torch.from_numpy(pixels).to(device, torch.float32)[None]
    point_mask = anchors.isfinite().all(dim=-1)
    return anchors.masked_fill(~point_mask[..., None], 0.0), point_mask


def _check_grid(request: Request, config: SyncMV4DConfig) -> None:
    views = config.mjd.views
    if len(request.views) != views:
        raise ValueError(
            f"clip {request.clip_id} has {len(request.views)} views, the model was trained for V = {views}"
        )
    wanted, found = (config.frames, config.height, config.width), (request.frames, *request.size)
    if found != wanted:
        told = ["{} frames of {}x{}".format(*grid) for grid in (found, wanted)]
        raise ValueError(
            f"clip {request.clip_id} asks for {told[0]}, the model was trained for {told[1]}: use one of that grid"
        )


def _check_anchors(clip: str, anchors: Array, views: int) -> None:
    check_shape("anchors", anchors, (views, "K", 2))
    if not np.isfinite(anchors).all(axis=-1).any():
        holds = "NaN or infinity for each anchor" if anchors.shape[1] else "no anchor"
        raise ValueError(f"clip {clip} has {holds}: give one or more, or None, and the model chooses")


def _check_view(view: View, size: tuple[int, int]) -> None:
    if view.image is None:
        raise ValueError(f"view {view.id} has no reference image, which the model starts from")
    check_shape(f"view {view.id}: image", view.image, (*size, 3))
    if view.image.dtype != np.uint8:
        raise ValueError(f"view {view.id}: image has dtype {view.image.dtype}, expected uint8 in 0..255")
    if view.camera is None:
        raise ValueError(
            f"view {view.id} has no camera: tracks are aligned in a frame that is built of every view's K, R and t"
        )
    if view.camera.is_moving:
        raise ValueError(f"the camera of view {view.id} moves from frame to frame: the model is for static ones")
    if not (view.camera.K[0, 0] > 0 and view.camera.K[1, 1] > 0):
        raise ValueError(f"the camera of view {view.id} has K {view.camera.K.tolist()}: expected focal lengths above 0")
    if view.camera.size != size:
        raise ValueError(f"the camera of view {view.id} is of images {view.camera.size}, expected {size}")


def _stacked(cameras: Sequence[Camera], size: tuple[int, int], device: torch.device | str) -> Cameras:
    K, R, t = (
        torch.from_numpy(np.stack([np.asarray(getattr(camera, name), np.float32) for camera in cameras]))[None].to(
            device
        )
        for name in ("K", "R", "t")
    )
    return Cameras(K, R, t, size)
