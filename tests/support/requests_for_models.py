"""Requests on a small grid, and model folders for them; fixtures: ``small_model_folder``, ``nano_folder``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from disk_cache import cached_folder

from hoibench.clip import Camera, Request, View

N, SIZE, K = 5, (64, 96), 12
ANGLES = {"left": -40.0, "center": 0.0, "right": 35.0}


@pytest.fixture(scope="session")
def small_model_folder(wan_folder) -> Path:
    """A model with random weights; it differs from nano in grid only."""
    return _saved("small", small_config, wan_folder)


@pytest.fixture(scope="session")
def nano_folder(wan_folder) -> Path:
    """The preset nano, untrained."""
    from reference_model.config import preset

    return _saved("nano", lambda: preset("nano"), wan_folder)


def _saved(name: str, config: Callable, wan: Path) -> Path:
    def build(folder: Path) -> None:
        import torch

        from reference_model.loading.saved_model import save_model
        from reference_model.model import SyncMV4D

        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = SyncMV4D(config())
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.02 * torch.randn_like(parameter))
        save_model(folder / name, model, wan)

    return cached_folder("random-model", name, build) / name


def small_config(**changes):
    """Nano's configuration on 5 frames of 64 x 96."""
    from reference_model.config import preset

    nano = preset("nano")
    changes = {"pseudo_video": dataclasses.replace(nano.pseudo_video, points=K)} | changes
    return dataclasses.replace(nano, frames=N, height=SIZE[0], width=SIZE[1], **changes)


def camera(angle: float) -> Camera:
    """A camera on a circle around the origin, which is 0.9 m away in the image centre; focal lengths differ between cameras."""
    a = np.radians(angle)
    R = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    focal = 90.0 + angle / 10
    K_ = np.array([[focal, 0, (SIZE[1] - 1) / 2], [0, focal - 5, (SIZE[0] - 1) / 2], [0, 0, 1]])
    return Camera(K_, R, np.array([0, 0, 0.9]), SIZE)


def small_request(clusters=("left", "center", "right"), **changed) -> Request:
    """A request of three views in some order; the image and anchors of a cluster are always the same."""
    views, anchors = [], []
    for cluster in clusters:
        rng = np.random.default_rng(list(ANGLES).index(cluster))
        image = rng.integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        views.append(View(f"cam-{cluster}", cluster, camera(ANGLES[cluster]), image))
        anchors.append(rng.uniform((10, 8), (86, 56), (K, 2)).astype(np.float32))
    values = {
        "clip_id": "clip_0", "prompt": "brush the plate", "views": tuple(views), "frames": N, "fps": 8.0, "size": SIZE, "seed": 3,
        "anchors": np.stack(anchors),
    }  # fmt: skip
    return Request(**values | changed)


def with_view(request: Request, index: int, **changed) -> Request:
    """The request with one view changed."""
    views = list(request.views)
    views[index] = dataclasses.replace(views[index], **changed)
    return dataclasses.replace(request, views=tuple(views))
