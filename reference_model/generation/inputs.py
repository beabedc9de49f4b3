"""The check of a request, and its conversion to the model's inputs: tensors with the views from left to right, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoibench.clip import CLUSTERS, Array, Camera, Request, View, check_shape
from hoibench.text import count
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.scene_frame import Cameras


class ModelInputs(NamedTuple):
    """The model's inputs for one request; tensors that the model takes in batches have a first axis of 1.

    Attributes:
        order: for each of the model's V views, its index in the request; see ``view_order``.
        images: (V, H, W, 3) float32 in [0, 1], the reference images.
        cameras: the cameras of the V views.
        anchors: (1, V, K, 2) pixels in frame 0 of the points to track, zero for missing anchors; None if the model chooses.
        point_mask: (1, V, K) bool, False for missing anchors.
    """

    order: tuple[int, ...]
    images: Tensor
    cameras: Cameras
    anchors: Tensor | None
    point_mask: Tensor | None


def request_to_inputs(request: Request, device: torch.device | str) -> ModelInputs:
    """Convert a request that fits the model, see ``check_request``, to the model's inputs on a device."""
    order = view_order(request.views)
    views = [request.views[i] for i in order]
    images = torch.from_numpy(np.stack([view.image for view in views]).astype(np.float32) / 255).to(device)
    cameras = stack_cameras([view.camera for view in views], request.size, device)
    if request.anchors is None:
        return ModelInputs(order, images, cameras, None, None)
    return ModelInputs(order, images, cameras, *anchors_to_tensors(np.asarray(request.anchors)[list(order)], device))


def check_request(request: Request, config: SyncMV4DConfig) -> None:
    """Check that a request fits a model, before anything is loaded or computed.

    Raises:
        ValueError: the number of views or frames or the size is not the model's, or an input is missing or unusable; names the view and the input.
    """
    _check_grid(request, config)
    for view in request.views:
        _check_view(view, request.size)
    if request.anchors is not None:
        _check_anchors(request.clip_id, request.anchors, len(request.views))


def split_views(request: Request) -> list[Request]:
    """Return a request of one view for each view of a request, for models of one view; some of these may have no finite anchor."""
    anchors = [None] * len(request.views) if request.anchors is None else [each[None] for each in request.anchors]
    return [replace(request, views=(view,), anchors=each) for view, each in zip(request.views, anchors, strict=True)]


def view_order(views: Sequence[View]) -> tuple[int, ...]:
    """Return the indices of the views from left to right, by camera cluster (the left, center or right side of the camera rig).

    The model encodes this order.  If a view's cluster is unknown, the order stays as given.
    """
    indices = range(len(views))
    if any(view.cluster is None for view in views):
        return tuple(indices)
    return tuple(sorted(indices, key=lambda i: CLUSTERS.index(views[i].cluster)))


def anchors_to_tensors(pixels: np.ndarray, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Convert pixels (V, K, 2), NaN for missing anchors, to float32 anchors (1, V, K, 2), zero for missing ones, and a bool mask (1, V, K)."""
    anchors = torch.from_numpy(pixels).to(device, torch.float32)[None]
    point_mask = anchors.isfinite().all(dim=-1)
    return anchors.masked_fill(~point_mask[..., None], 0.0), point_mask


def stack_cameras(cameras: Sequence[Camera], size: tuple[int, int], device: torch.device | str) -> Cameras:
    """Stack static cameras, one per view, to tensors with axes (1, V, ...); ``size`` is the images' (H, W)."""
    K, R, t = (
        torch.from_numpy(np.stack([np.asarray(getattr(camera, name), np.float32) for camera in cameras]))[None]
        for name in ("K", "R", "t")
    )
    return Cameras(K.to(device), R.to(device), t.to(device), size)


def _check_grid(request: Request, config: SyncMV4DConfig) -> None:
    views = config.mjd.views
    if views != 1 and len(request.views) != views:  # a model of one view takes the views one by one
        raise ValueError(
            f"clip {request.clip_id} has {count(len(request.views), 'view')}, the model was trained for V = {views}"
        )
    wanted, found = (config.frames, config.height, config.width), (request.frames, *request.size)
    if found != wanted:
        texts = ["{} frames of {}x{}".format(*grid) for grid in (found, wanted)]
        raise ValueError(
            f"clip {request.clip_id} has {texts[0]}, the model was trained for {texts[1]}: use clips of that size"
        )


def _check_anchors(clip: str, anchors: Array, views: int) -> None:
    check_shape("anchors", anchors, (views, "K", 2))
    if not np.isfinite(anchors).all(axis=-1).any():
        found = "no finite anchor" if anchors.shape[1] else "no anchor"
        raise ValueError(f"clip {clip} has {found}: give at least one, or None to let the model choose")


def _check_view(view: View, size: tuple[int, int]) -> None:
    if view.image is None:
        raise ValueError(f"view {view.id} has no reference image: the model starts from one image per view")
    check_shape(f"view {view.id}: image", view.image, (*size, 3))
    if view.image.dtype != np.uint8:
        raise ValueError(f"view {view.id}: image has dtype {view.image.dtype}, expected uint8 in 0..255")
    if view.camera is None:
        raise ValueError(
            f"view {view.id} has no camera: the model aligns tracks in a frame built from the K, R and t of all views"
        )
    if view.camera.is_moving:
        raise ValueError(f"the camera of view {view.id} moves: the model supports static cameras only")
    if not (view.camera.K[0, 0] > 0 and view.camera.K[1, 1] > 0):
        raise ValueError(f"the camera of view {view.id} has K {view.camera.K.tolist()}: expected focal lengths above 0")
    if view.camera.size != size:
        raise ValueError(f"the camera of view {view.id} has image size {view.camera.size}, expected {size}")
