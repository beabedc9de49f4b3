"""The latent cache: ``LatentCache`` for training, and the files of one view or prompt for ``python -m reference_model.prepare``.

z^I, the latent of a view's reference image, is latent frame 0 of ``z_video``: the autoencoder is causal, so it depends on the first image only.  A
clip may have several views in a cluster; training draws one of each per iteration (paper, section 4.1).

Each file stores the id of the settings that it was computed with, so that a file copied from another cache is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hoibench.clip import CLUSTERS, Cluster
from hoibench.store.records import Record
from reference_model.cache.settings import (
    SUFFIX,
    CacheSettings,
    check_cache_settings,
    config_settings,
    read_settings,
    text_folder,
    views_folder,
)
from reference_model.cache.tensor_file import corrupt_file, read_slices, read_tensors, write_tensors
from reference_model.config import SyncMV4DConfig


@dataclass(frozen=True, eq=False)
class LatentView:
    """One view of a clip for training: N frames of H x W pixels, C x n x h x w latents, K' points.

    Attributes:
        clip, view, cluster: ids.
        prompt: the clip's; its embedding is ``LatentCache.text``.
        z_video, z_motion: (C, n, h, w), of the video and of the motion pseudo-video; normalised, of the cache's dtype.
        s: (2,) metres, depths of the nearest and the farthest drawn point.
        anchors: (K', 2) pixels of the points in frame 0.
        world: (N, K', 3) metres, the points' true positions.
        visible: (N, K') bool, in this view.
        part: (K',) uint8, index into ``hoibench.clip.PARTS``.
        K: (3, 3) intrinsics in pixels of this grid.
        R: (3, 3), or (N, 3, 3) of a moving camera; world to camera.
        t: (3,) or (N, 3) metres.
    """

    clip: str
    view: str
    cluster: Cluster
    prompt: str
    z_video: Tensor
    z_motion: Tensor
    s: Tensor
    anchors: Tensor
    world: Tensor
    visible: Tensor
    part: Tensor
    K: Tensor
    R: Tensor
    t: Tensor


class ViewHeader(NamedTuple):
    """A view's camera, prompt, and whether it sees any point: enough to check that it can be trained on."""

    K: Tensor
    R: Tensor
    t: Tensor
    sees_points: bool
    prompt: str


class ViewMetadata(Record):
    """The metadata of a view's file."""

    settings_id: str
    clip: str
    view: str
    cluster: Cluster
    prompt: str


class TextMetadata(Record):
    """The metadata of an embedding's file."""

    settings_id: str
    prompt: str


_NAMES = ("clip", "view", "cluster", "prompt")
_TENSORS = tuple(field.name for field in fields(LatentView) if field.name not in _NAMES)


class CachedView(NamedTuple):
    """The id and cluster of a view in the cache."""

    id: str
    cluster: Cluster


class LatentCache:
    """A latent cache, opened for reading.

        cache = LatentCache(folder)
        for clip in cache.clips:
            view = cache.load(clip, cache.views(clip)[0].id)
            text = cache.text(view.prompt)

    Raises:
        FileNotFoundError: the folder is not a cache.
        ValueError: it was written by another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = read_settings(folder)

    def check(self, config: SyncMV4DConfig) -> None:
        """Raise ValueError unless the cache fits a model's configuration; lists the differences."""
        fix = "give the preset that it is for, or a cache of this preset"
        check_cache_settings(self.folder, config_settings(config), fix=fix)

    @property
    def clips(self) -> tuple[str, ...]:
        """The ids of clips with at least one view, sorted."""
        return tuple(self._views)

    def views(self, clip: str) -> tuple[CachedView, ...]:
        """Return the views of a clip by cluster (left, center, right) and id."""
        return self._views[clip]

    def load(self, clip: str, view: str) -> LatentView:
        """Read and verify a view; raises as ``read_view``."""
        return read_view(self.folder, self.settings, clip, self._cluster(clip, view), view)

    def header(self, clip: str, view: str) -> ViewHeader:
        """Read a few kilobytes of a view: the latents are not read, and the digest is not verified; raises as ``read_view``."""
        return read_header(self.folder, self.settings, clip, self._cluster(clip, view), view)

    def text(self, prompt: str) -> Tensor:
        """Read the (L, text_dim) embedding of a prompt, zero after its last token; "" is the unconditional prompt.  Raises as ``read_text``."""
        return read_text(self.folder, self.settings, prompt)

    def has_text(self, prompt: str) -> bool:
        """Return whether the cache has an embedding of a prompt."""
        return _text_path(self.folder, prompt).is_file()

    def _cluster(self, clip: str, view: str) -> Cluster:
        return next(each.cluster for each in self.views(clip) if each.id == view)

    @cached_property
    def _views(self) -> Mapping[str, tuple[CachedView, ...]]:
        clips = sorted(path.name for path in views_folder(self.folder).glob("*") if path.is_dir())
        views = {clip: tuple(self._list_views(clip)) for clip in clips}
        return {clip: found for clip, found in views.items() if found}

    def _list_views(self, clip: str) -> list[CachedView]:
        folder = views_folder(self.folder) / clip
        return [
            CachedView(path.stem, cluster)
            for cluster in CLUSTERS
            for path in sorted((folder / cluster).glob(f"[!.]*{SUFFIX}"))
        ]


def find_view(folder: Path, clip: str, view: str) -> Cluster | None:
    """Return the cluster of a view, or None if the cache has no file of it."""
    return next((cluster for cluster in CLUSTERS if _view_path(folder, clip, cluster, view).is_file()), None)


def write_view(folder: Path, settings: CacheSettings, view: LatentView) -> None:
    """Write a view; raises as ``write_tensors``."""
    metadata = ViewMetadata(settings_id=settings.id, **{name: getattr(view, name) for name in _NAMES})
    tensors = {name: getattr(view, name) for name in _TENSORS}
    write_tensors(_view_path(folder, view.clip, view.cluster, view.view), tensors, metadata)


def read_view(folder: Path, settings: CacheSettings, clip: str, cluster: Cluster, view: str) -> LatentView:
    """Read and verify a view.

    Raises:
        FileNotFoundError: its file is missing.
        CorruptFolder: its file is truncated, changed, of another cache, or has other shapes.
    """
    path = _view_path(folder, clip, cluster, view)
    tensors, metadata = read_tensors(path, ViewMetadata)
    _check_metadata(path, metadata, settings_id=settings.id, clip=clip, view=view, cluster=cluster)
    points = tensors["anchors"].shape[0] if "anchors" in tensors else 0
    shapes = {
        "z_video": settings.latent_shape,
        "z_motion": settings.latent_shape,
        "s": (2,),
        "anchors": (points, 2),
        "world": (settings.frames, points, 3),
        "visible": (settings.frames, points),
        "part": (points,),
        **_camera_shapes(settings, tensors),
    }
    _check_shapes(path, tensors, shapes)
    return LatentView(**metadata.model_dump(include=set(_NAMES)), **tensors)


def read_header(folder: Path, settings: CacheSettings, clip: str, cluster: Cluster, view: str) -> ViewHeader:
    """Read a few kilobytes of a view; raises as ``read_view``."""
    path = _view_path(folder, clip, cluster, view)
    all_rows, first_row = slice(None), slice(1)
    slices = {"K": all_rows, "R": all_rows, "t": all_rows, "visible": first_row}
    tensors, metadata = read_slices(path, ViewMetadata, slices)
    _check_metadata(path, metadata, settings_id=settings.id, clip=clip, view=view, cluster=cluster)
    visible = tensors.pop("visible")
    _check_shapes(path, tensors, _camera_shapes(settings, tensors))
    if not visible.any():
        visible = read_slices(path, ViewMetadata, {"visible": all_rows})[0]["visible"]
    return ViewHeader(**tensors, sees_points=bool(visible.any()), prompt=metadata.prompt)


def write_text(folder: Path, settings: CacheSettings, prompt: str, embedding: Tensor) -> None:
    """Write the (L, text_dim) embedding of a prompt; raises as ``write_tensors``."""
    metadata = TextMetadata(settings_id=settings.text_id, prompt=prompt)
    write_tensors(_text_path(folder, prompt), {"embedding": embedding}, metadata)


def read_text(folder: Path, settings: CacheSettings, prompt: str) -> Tensor:
    """Read the (L, text_dim) embedding of a prompt.

    Raises:
        FileNotFoundError: the cache has no embedding of it.
        CorruptFolder: the file is truncated, changed, of another cache, or has another shape.
    """
    path = _text_path(folder, prompt)
    tensors, metadata = read_tensors(path, TextMetadata)
    _check_metadata(path, metadata, settings_id=settings.text_id, prompt=prompt)
    _check_shapes(path, tensors, {"embedding": settings.text_shape})
    return tensors["embedding"]


def _view_path(folder: Path, clip: str, cluster: Cluster, view: str) -> Path:
    return views_folder(folder) / clip / cluster / f"{view}{SUFFIX}"


def _text_path(folder: Path, prompt: str) -> Path:
    return text_folder(folder) / f"{hashlib.sha256(prompt.encode()).hexdigest()}{SUFFIX}"


def _camera_shapes(settings: CacheSettings, tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    frames = (settings.frames,) if tensors.get("R", torch.empty(0)).ndim == 3 else ()
    return {"K": (3, 3), "R": (*frames, 3, 3), "t": (*frames, 3)}


def _check_metadata(path: Path, metadata: Record, **expected: str) -> None:
    for name, value in expected.items():
        if (found := getattr(metadata, name)) != value:
            raise corrupt_file(path, f"belongs elsewhere ({name} is {found!r}, expected {value!r})")


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    names = [name for name in sorted({*found, *shapes}) if found.get(name) != shapes.get(name)]
    if names:
        differences = (f"{name} of shape {found.get(name)}, expected {shapes.get(name)}" for name in names)
        raise corrupt_file(path, f"has {'; '.join(differences)}")
