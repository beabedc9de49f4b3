"""What an iteration trains on: clips, one view of each cluster (section 4.1), as a function of seed, iteration and rank alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from hoibench.clip import CLUSTERS
from reference_model.cache import LatentCache, LatentView
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.batch import Batch
from reference_model.cycle.scene_frame import Cameras
from reference_model.training.config import Launch
from reference_model.training.seeds import generator
from reference_model.training.unusable import refuse_unusable


class Choice(NamedTuple):
    """A sample: a clip, a view of it from each cluster, and whether its prompt is dropped."""

    clip: str
    views: tuple[str, ...]
    without_prompt: bool


class Sample(NamedTuple):
    """A batch, and the clips that are in it."""

    batch: Batch
    clips: tuple[str, ...]


class TrainingData:
    """The samples of one stage of training.

    All ranks go through one endless order of samples, in each epoch another permutation of the clips; in an iteration each rank takes the next ones
    that no other takes.  Every view and every dropped prompt is drawn by the sample's place in that order.

    Args:
        cache: what ``python -m reference_model.prepare`` wrote.
        config: the model, on the cache's grid.
        seed: of the training.
        share: of the clips; which ones depends on the seed.

    Raises:
        ValueError: the cache is of another configuration or empty, a clip lacks a view of a cluster, or a view cannot be trained on.
    """

    def __init__(self, cache: LatentCache, config: SyncMV4DConfig, *, seed: int, share: float = 1.0) -> None:
        cache.check(config)
        if config.mjd.views != len(CLUSTERS):
            raise ValueError(
                f"the model has V={config.mjd.views}: training draws a view of each of {', '.join(CLUSTERS)}"
            )
        if not cache.clips:
            raise ValueError(f"{cache.folder} holds no clip: run python -m reference_model.prepare")
        self._cache, self._config, self._seed = cache, config, seed
        self._views = {clip: _by_cluster(cache, clip) for clip in cache.clips}
        count = math.ceil(share * len(self._views))
        self.clips = tuple(sorted(_shuffled(tuple(self._views), seed, "share")[:count]))
        refuse_unusable(cache, self.clips)

    def choices(self, iteration: int, count: int, rank: int, world: int) -> list[Choice]:
        """What a rank takes in an iteration, ``count`` samples of the ``count * world`` that all ranks take."""
        first = (iteration * world + rank) * count
        return [self._choice(place) for place in range(first, first + count)]

    def sample(self, iteration: int, count: int, rank: int, world: int) -> Sample:
        """What a rank takes in an iteration, read from the cache; float32.

        Raises:
            CorruptFolder: a file of the cache is not as it was written.
        """
        choices = self.choices(iteration, count, rank, world)
        views = [[self._cache.load(choice.clip, view) for view in choice.views] for choice in choices]
        text = [self._cache.text("" if c.without_prompt else v[0].prompt) for c, v in zip(choices, views, strict=True)]
        size = self._config.height, self._config.width
        return Sample(to_batch(views, torch.stack(text).float(), size), tuple(choice.clip for choice in choices))

    def _choice(self, place: int) -> Choice:
        epoch, index = divmod(place, len(self.clips))
        clip = _shuffled(self.clips, self._seed, "epoch", epoch)[index]
        draws = torch.rand(1 + len(CLUSTERS), generator=generator(self._seed, "sample", place)).tolist()
        there = self._views[clip]
        views = tuple(there[c][int(u * len(there[c]))] for c, u in zip(CLUSTERS, draws[1:], strict=True))
        return Choice(clip, views, draws[0] < self._config.cycle.text_dropout)


def open_stages(
    folders: Sequence[Path], launch: Launch, preset: str
) -> tuple[dict[str, LatentCache], list[TrainingData]]:
    """The caches by their size, HxW, and what each stage draws from.

    Args:
        folders: of the caches.
        launch: the model and its training.
        preset: name of the model, for the command that errors give.

    Raises:
        FileNotFoundError: a folder is no cache.
        ValueError: two caches are of one size, a stage has none of its size, or as ``TrainingData``.
    """
    opened = [LatentCache(folder) for folder in folders]
    caches = {f"{each.origin.height}x{each.origin.width}": each for each in opened}
    if len(caches) < len(opened):
        raise ValueError(f"--cache names several of one size ({', '.join(map(str, folders))}): give one of each")
    data = []
    for stage in launch.training.stages:
        height, width = stage.size
        cache = caches.get(f"{height}x{width}")
        if cache is None:
            raise ValueError(
                f"stage {stage.name} needs a cache of {height}x{width}, --cache has {', '.join(caches)}:"
                f" run python -m reference_model.prepare --preset {preset} --size {height} {width} with the rest of its words"
            )
        sized = replace(launch.model, height=height, width=width)
        data.append(TrainingData(cache, sized, seed=launch.training.seed, share=stage.data))
    return caches, data


def to_batch(samples: Sequence[Sequence[LatentView]], text: Tensor, size: tuple[int, int]) -> Batch:
    """Views of B clips as one batch, their points padded to the largest number in any view.

    Args:
        samples: B lists of V views.
        text: (B, L, text_dim).
        size: (H, W) of the videos.
    """
    most = max(len(view.anchors) for views in samples for view in views)

    def stacked(name: str, points_at: int | None = None) -> Tensor:
        return torch.stack([torch.stack([_padded(getattr(v, name), points_at, most) for v in vs]) for vs in samples])

    point_mask = torch.stack(
        [torch.stack([torch.arange(most) < len(view.anchors) for view in views]) for views in samples]
    )
    cameras = Cameras(stacked("K"), stacked("R"), stacked("t"), size)
    return Batch(
        z_video=stacked("z_video"), z_motion=stacked("z_motion"), s=stacked("s"), text=text,
        world=stacked("world", 1), anchors=stacked("anchors", 0), point_mask=point_mask, cameras=cameras,
    )  # fmt: skip


def _padded(tensor: Tensor, points_at: int | None, most: int) -> Tensor:
    if points_at is None:
        return tensor.float()
    behind = (0, 0) * (tensor.ndim - 1 - points_at)
    return pad(tensor.float(), (*behind, 0, most - tensor.shape[points_at]))


def _by_cluster(cache: LatentCache, clip: str) -> Mapping[str, tuple[str, ...]]:
    views = {c: tuple(view.id for view in cache.views(clip) if view.cluster == c) for c in CLUSTERS}
    if lacking := [cluster for cluster, found in views.items() if not found]:
        raise ValueError(
            f"{cache.folder}: clip {clip} has no view of cluster {', '.join(lacking)}:"
            " run python -m reference_model.prepare again (it says why a view is broken), or delete the clip's folder in views/"
        )
    return views


@lru_cache(maxsize=8)
def _shuffled(clips: tuple[str, ...], *key: int | str) -> tuple[str, ...]:
    order = torch.randperm(len(clips), generator=generator(*key)).tolist()
    return tuple(clips[index] for index in order)
