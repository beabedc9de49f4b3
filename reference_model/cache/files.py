"""The files of a latent cache, one by one: where each lies, and how it is written and read.

    FOLDER/views/CLIP/CLUSTER/VIEW.safetensors        one view of a clip: a ``LatentView``
    FOLDER/text/SHA256_OF_THE_PROMPT.safetensors      a prompt's embedding

Each carries the id of what it was made with, so that a file of another cache is never taken for its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hoibench.clip import CLUSTERS, Cluster
from hoibench.store.records import Record
from reference_model.cache.metadata import SUFFIX, Origin, text_folder, views_folder
from reference_model.cache.tensors import damaged, read_some, read_tensors, write_tensors


@dataclass(frozen=True, eq=False)
class LatentView:
    """One view of a clip as training sees it: N frames of H x W pixels, C x n x h x w latents, K' points.

    Attributes:
        clip, view, cluster: whose it is.
        prompt: the clip's; its embedding is ``LatentCache.text``.
        z_video, z_motion: (C, n, h, w), of the video and of the motion pseudo-video; normalised, of the cache's dtype.
        s: (2,) metres, depth of the nearest and the farthest point drawn.
        anchors: (K', 2) pixels of the points in frame 0.
        world: (N, K', 3) metres, the points' true positions.
        visible: (N, K') bool, seen by this view.
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


class Glance(NamedTuple):
    """What of a view tells whether it can be trained on: its camera, whether it ever sees a point, and its prompt."""

    K: Tensor
    R: Tensor
    t: Tensor
    sees: bool
    prompt: str


class ViewFacts(Record):
    """The header of a view's file: the id of what it was made with, and whose it is."""

    made: str
    clip: str
    view: str
    cluster: Cluster
    prompt: str


class TextFacts(Record):
    """The header of a prompt's file: the id of what it was made with, and the prompt."""

    made: str
    prompt: str


_WORDS = ("clip", "view", "cluster", "prompt")
_TENSORS = tuple(field.name for field in fields(LatentView) if field.name not in _WORDS)


def find_view(folder: Path, clip: str, view: str) -> Cluster | None:
    """The cluster of a view, None if the cache has no file of it."""
    there = (cluster for cluster in CLUSTERS if _view_path(folder, clip, cluster, view).is_file())
    return next(there, None)


def write_view(folder: Path, origin: Origin, view: LatentView) -> None:
    """Write a view; raises as ``write_tensors``."""
    facts = ViewFacts(made=origin.id, **{name: getattr(view, name) for name in _WORDS})
    tensors = {name: getattr(view, name) for name in _TENSORS}
    write_tensors(_view_path(folder, view.clip, view.cluster, view.view), tensors, facts)


def read_view(folder: Path, origin: Origin, clip: str, cluster: Cluster, view: str) -> LatentView:
    """Read a view; raises as ``LatentCache.load``."""
    path = _view_path(folder, clip, cluster, view)
    tensors, facts = read_tensors(path, ViewFacts)
    _check_facts(path, facts, made=origin.id, clip=clip, view=view, cluster=cluster)
    points = tensors["anchors"].shape[0] if "anchors" in tensors else 0
    moving = (origin.frames,) if tensors.get("R", torch.empty(0)).ndim == 3 else ()
    shapes = {
        "z_video": origin.latent,
        "z_motion": origin.latent,
        "s": (2,),
        "anchors": (points, 2),
        "world": (origin.frames, points, 3),
        "visible": (origin.frames, points),
        "part": (points,),
        "K": (3, 3),
        "R": (*moving, 3, 3),
        "t": (*moving, 3),
    }
    _check_shapes(path, tensors, shapes)
    return LatentView(**facts.model_dump(include=set(_WORDS)), **tensors)


def glance_at(folder: Path, origin: Origin, clip: str, cluster: Cluster, view: str) -> Glance:
    """Read little of a view, some kilobytes; raises as ``LatentCache.glance``."""
    path = _view_path(folder, clip, cluster, view)
    whole, first = slice(None), slice(1)
    tensors, facts = read_some(path, ViewFacts, {"K": whole, "R": whole, "t": whole, "visible": first})
    _check_facts(path, facts, made=origin.id, clip=clip, view=view, cluster=cluster)
    visible = tensors.pop("visible")
    moving = (origin.frames,) if tensors["R"].ndim == 3 else ()
    _check_shapes(path, tensors, {"K": (3, 3), "R": (*moving, 3, 3), "t": (*moving, 3)})
    sees = bool(visible.any()) or bool(read_some(path, ViewFacts, {"visible": whole})[0]["visible"].any())
    return Glance(**tensors, sees=sees, prompt=facts.prompt)


def write_text(folder: Path, origin: Origin, prompt: str, embedding: Tensor) -> None:
    """Write a prompt's embedding (L, text_dim); raises as ``write_tensors``."""
    facts = TextFacts(made=origin.text_id, prompt=prompt)
    write_tensors(_text_path(folder, prompt), {"embedding": embedding}, facts)


def find_text(folder: Path, prompt: str) -> bool:
    """Whether the cache has a file of a prompt."""
    return _text_path(folder, prompt).is_file()


def read_text(folder: Path, origin: Origin, prompt: str) -> Tensor:
    """Read a prompt's embedding.

    Raises:
        FileNotFoundError: the cache has none of this prompt.
        CorruptFolder: the file is truncated, changed, of another cache, or holds NaN or another shape.
    """
    path = _text_path(folder, prompt)
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no text of {prompt!r} ({path.name}): run python -m reference_model.prepare again"
        )
    tensors, facts = read_tensors(path, TextFacts)
    _check_facts(path, facts, made=origin.text_id, prompt=prompt)
    _check_shapes(path, tensors, {"embedding": origin.text})
    return tensors["embedding"]


def _view_path(folder: Path, clip: str, cluster: Cluster, view: str) -> Path:
    return views_folder(folder) / clip / cluster / f"{view}{SUFFIX}"


def _text_path(folder: Path, prompt: str) -> Path:
    return text_folder(folder) / f"{hashlib.sha256(prompt.encode()).hexdigest()}{SUFFIX}"


def _check_facts(path: Path, found: Record, **wanted: str) -> None:
    for name, value in wanted.items():
        if (there := getattr(found, name)) != value:
            raise damaged(path, f"was brought here from elsewhere ({name} is {there!r}, expected {value!r})")


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if tensors.keys() != shapes.keys():
        raise damaged(path, f"holds {', '.join(sorted(tensors))}, expected {', '.join(sorted(shapes))}")
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise damaged(path, f"holds {name} of shape {tuple(tensors[name].shape)}, expected {shape}")
