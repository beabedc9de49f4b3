"""The latent cache: ``LatentCache`` reads it for training; other functions read and write the file of one view of a clip, or of one prompt.

z^I, the latent of a view's reference image, is latent frame 0 of ``z_video``: the autoencoder is causal, so it depends on the first image only.  A
clip may have several views in a camera cluster (left, center, right); training chooses one per cluster (section 4.1 of the SyncMV4D paper).

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
from hoibench.plugins import get_by_name
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
from reference_model.cache.tensor_file import corrupt_file_error, read_slices, read_tensors, write_tensors
from reference_model.config import SyncMV4DConfig


@dataclass(frozen=True, eq=False)
class LatentView:
    """One view of a clip as training reads it: N frames of H x W pixels, as latents C x n x h x w, with the tracks of K' points.

    Attributes:
        clip, view: ids.
        cluster: camera cluster of the view, ``left``, ``center`` or ``right``.
        prompt: prompt of the clip; ``LatentCache.text`` returns its embedding.
        z_video, z_motion: latents (C, n, h, w) of the video and of the motion pseudo-video, of the cache's dtype, normalized per channel.
        s: (2,) depths in metres of the nearest and the farthest drawn point in this camera, over all frames.
        anchors: (K', 2) pixels of the points in frame 0.
        world: (N, K', 3) true positions of the points in world coordinates, metres.
        visible: (N, K') bool, whether this view sees the point.
        part: (K',) uint8, tracked part of each point, an index into ``hoibench.clip.PARTS``.
        K: (3, 3) intrinsics for images of H x W pixels.
        R: (3, 3) rotation from world to camera; (N, 3, 3) if the camera moves.
        t: (3,) translation from world to camera in metres; (N, 3) if the camera moves.
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
    """The small fields of a cached view, enough to check that it can be trained on.

    Attributes:
        K, R, t: camera as in ``LatentView``.
        sees_points: whether the view sees any of its points in any frame.
        prompt: prompt of the clip.
    """

    K: Tensor
    R: Tensor
    t: Tensor
    sees_points: bool
    prompt: str


class ViewMetadata(Record):
    """The metadata in the file of a view: ids, camera cluster and prompt, and the id of the cache's settings."""

    settings_id: str
    clip: str
    view: str
    cluster: Cluster
    prompt: str


class TextMetadata(Record):
    """The metadata in the file of a prompt's embedding: the prompt, and the id of the settings that embeddings depend on."""

    settings_id: str
    prompt: str


_NAMES = ("clip", "view", "cluster", "prompt")
_TENSORS = tuple(field.name for field in fields(LatentView) if field.name not in _NAMES)


class CachedView(NamedTuple):
    """The id of a view in the cache, and its camera cluster (``left``, ``center`` or ``right``)."""

    id: str
    cluster: Cluster


class LatentCache:
    """A latent cache, opened for reading.

        cache = LatentCache(folder)
        for clip in cache.clips:
            view = cache.load(clip, cache.views(clip)[0].id)
            text = cache.text(view.prompt)

    Raises:
        FileNotFoundError: the folder is not a latent cache.
        ValueError: its settings are damaged or were written by another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = read_settings(folder)

    def check(self, config: SyncMV4DConfig) -> None:
        """Raise ValueError unless the cache fits a model's configuration (video size, latents, pseudo-videos); the message lists the differences."""
        fix = "give the preset that it is for, or a cache of this preset"
        check_cache_settings(self.folder, config_settings(config), fix=fix)

    @property
    def clips(self) -> tuple[str, ...]:
        """The ids of the clips that have at least one view in the cache, sorted."""
        return tuple(self._views)

    def views(self, clip: str) -> tuple[CachedView, ...]:
        """Return the views of a clip, sorted by camera cluster (left, center, right), then by id."""
        return get_by_name("clip of the cache", clip, self._views)

    def load(self, clip: str, view: str) -> LatentView:
        """Read a view of a clip and verify its digest; raises the errors of ``read_view``."""
        return read_view(self.folder, self.settings, clip, self._cluster(clip, view), view)

    def header(self, clip: str, view: str) -> ViewHeader:
        """Read the camera, prompt and visibility of a view, not its latents; its digest is not verified.  Raises the errors of ``read_view``."""
        return read_header(self.folder, self.settings, clip, self._cluster(clip, view), view)

    def text(self, prompt: str) -> Tensor:
        """Read the embedding (L, text_dim) of a prompt, zero after its last token; "" is the unconditional prompt.

        Raises the errors of ``read_text``.
        """
        return read_text(self.folder, self.settings, prompt)

    def has_text(self, prompt: str) -> bool:
        """Return whether the cache has an embedding of a prompt."""
        return _text_path(self.folder, prompt).is_file()

    def _cluster(self, clip: str, view: str) -> Cluster:
        return get_by_name(f"view of clip {clip}", view, {each.id: each.cluster for each in self.views(clip)})

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
    """Return the camera cluster of a view of a clip, or None if the cache has no file of the view."""
    return next((cluster for cluster in CLUSTERS if _view_path(folder, clip, cluster, view).is_file()), None)


def write_view(folder: Path, settings: CacheSettings, view: LatentView) -> None:
    """Write a view to its file in a cache's folder; raises the errors of ``write_tensors``."""
    metadata = ViewMetadata(settings_id=settings.id, **{name: getattr(view, name) for name in _NAMES})
    tensors = {name: getattr(view, name) for name in _TENSORS}
    write_tensors(_view_path(folder, view.clip, view.cluster, view.view), tensors, metadata)


def read_view(folder: Path, settings: CacheSettings, clip: str, cluster: Cluster, view: str) -> LatentView:
    """Read a view of a clip from its file in a cache's folder, and verify digest, ids, settings and shapes.

    Raises:
        FileNotFoundError: its file is missing.
        CorruptFolder: its file is truncated, changed, from a cache with other settings, or has other shapes.
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
    """Read the camera, prompt and visibility of a view, a few kilobytes of its file; verify no digest.  Raises the errors of ``read_view``."""
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
    """Write the embedding (L, text_dim) of a prompt to its file in a cache's folder; raises the errors of ``write_tensors``."""
    metadata = TextMetadata(settings_id=settings.text_id, prompt=prompt)
    write_tensors(_text_path(folder, prompt), {"embedding": embedding}, metadata)


def read_text(folder: Path, settings: CacheSettings, prompt: str) -> Tensor:
    """Read the embedding (L, text_dim) of a prompt from its file in a cache's folder, and verify digest, settings and shape.

    Raises:
        FileNotFoundError: the cache has no embedding of the prompt.
        CorruptFolder: the file is truncated, changed, from a cache with other settings, or has another shape.
    """
    path = _text_path(folder, prompt)
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no embedding of {prompt!r} ({path.name}): run python -m reference_model.prepare again"
        )
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
            raise corrupt_file_error(path, f"belongs elsewhere ({name} is {found!r}, expected {value!r})")


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    names = [name for name in sorted({*found, *shapes}) if found.get(name) != shapes.get(name)]
    if names:
        differences = (f"{name} of shape {found.get(name)}, expected {shapes.get(name)}" for name in names)
        raise corrupt_file_error(path, f"has {'; '.join(differences)}")
