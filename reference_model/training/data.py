"""Training batches: clips with one view of each camera cluster (left, center, right; section 4.1 of the SyncMV4D paper), or with one view in all.

The choice depends on seed, iteration, rank (the number of a process) and number of processes only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from hoibench.clip import CLUSTERS
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache import LatentCache, LatentView
from reference_model.cache.latent_cache import ViewHeader
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.batch import Batch
from reference_model.cycle.scene_frame import Cameras
from reference_model.loading.text_table import unknown_prompt
from reference_model.training.config import Launch
from reference_model.training.rng import seeded_generator

MAX_LISTED_VIEWS = 10
"""Largest number of views that an error message lists."""


class SampleChoice(NamedTuple):
    """The choice of a training sample.

    Attributes:
        clip: id of the clip.
        views: id of one view of each camera cluster, in the order of ``hoibench.clip.CLUSTERS``; for a model of one view that takes one, its id.
        drop_prompt: whether the sample is trained with the empty prompt.
        unknown_words: places in the prompt, among those of all L words that it can have, of the words that become the unknown word.
    """

    clip: str
    views: tuple[str, ...]
    drop_prompt: bool
    unknown_words: tuple[int, ...]


class LoadedBatch(NamedTuple):
    """A batch, and the ids of the clips of its samples in the same order."""

    batch: Batch
    clips: tuple[str, ...]


class TrainingData:
    """The training samples of one stage, read from a latent cache.

    All processes share one endless order of samples, a new permutation of the clips in each epoch.  In each iteration the next samples of that order
    are divided among the processes by rank.  Views, dropped prompts and unknown words depend on the seed and the sample's place in the order; a model
    of one view gets a view of a random cluster, or one view of each cluster as separate samples.

    Args:
        cache: the latent cache, written by ``python -m reference_model.prepare``.
        config: configuration of the model, with the cache's video size.
        seed: seed of the training.
        fraction: fraction of the clips to train on; the seed selects them.
        clusters: for a model of one view: ``one`` view of a clip, or ``all`` that a model of all clusters gets, as separate samples.

    Raises:
        ValueError: the cache is empty or is for another configuration, the model has neither one view nor one for each cluster, a clip lacks a view
            of a cluster that the model needs, or a view cannot be trained on.
    """

    def __init__(
        self,
        cache: LatentCache,
        config: SyncMV4DConfig,
        *,
        seed: int,
        fraction: float = 1.0,
        clusters: Literal["one", "all"] = "one",
    ) -> None:
        cache.check(config)
        if config.mjd.views not in (1, len(CLUSTERS)):
            raise ValueError(
                f"the model has V={config.mjd.views}: training takes one view of each of {', '.join(CLUSTERS)}, or one view"
            )
        if not cache.clips:
            raise ValueError(f"{cache.folder} has no clips: run python -m reference_model.prepare")
        self._cache, self._config, self._seed = cache, config, seed
        self._views = {clip: _views_by_cluster(cache, clip) for clip in cache.clips}
        self._takes_one = config.mjd.views == 1 and clusters == "one"
        if not self._takes_one:
            _check_clusters(cache, self._views)
        count = math.ceil(fraction * len(self._views))
        self.clips = tuple(sorted(_shuffle(tuple(self._views), seed, "share")[:count]))
        if config.cycle.word_dropout and not cache.has_text(unknown_prompt(config.text_tokens)):
            raise ValueError(
                f"{cache.folder} has no embedding of the unknown word, which cycle.word_dropout needs:"
                " run python -m reference_model.prepare again"
            )
        check_views(cache, self.clips)

    def choose_samples(self, iteration: int, count: int, rank: int, ranks: int) -> list[SampleChoice]:
        """Return the ``count`` samples of process ``rank`` in an iteration, of the ``count * ranks`` samples of all processes."""
        first = (iteration * ranks + rank) * count
        return [self._choose_sample(place) for place in range(first, first + count)]

    def load_batch(self, iteration: int, count: int, rank: int, ranks: int) -> LoadedBatch:
        """Load the samples that ``choose_samples`` returns for the same arguments, as one float32 batch on the CPU.

        Raises:
            CorruptFolder: a file of the cache is damaged.
        """
        choices = self.choose_samples(iteration, count, rank, ranks)
        views = [[self._cache.load(choice.clip, view) for view in choice.views] for choice in choices]
        text = [self._load_text(choice, each[0].prompt) for choice, each in zip(choices, views, strict=True)]
        clips = tuple(choice.clip for choice in choices)
        if self._config.mjd.views == 1:  # each view is a sample
            text = [each for each, own in zip(text, views, strict=True) for _ in own]
            clips = tuple(view.clip for own in views for view in own)
            views = [[view] for own in views for view in own]
        size = self._config.height, self._config.width
        return LoadedBatch(to_batch(views, torch.stack(text).float(), size), clips)

    def _choose_sample(self, place: int) -> SampleChoice:
        epoch, index = divmod(place, len(self.clips))
        clip = _shuffle(self.clips, self._seed, "epoch", epoch)[index]
        u_prompt, *u_views = torch.rand(
            1 + len(CLUSTERS), generator=seeded_generator(self._seed, "sample", place)
        ).tolist()
        views = self._views[clip]
        if self._takes_one:
            u_cluster, u_view, _ = u_views
            chosen = (_pick(views[_pick(tuple(views), u_cluster)], u_view),)
        else:
            chosen = tuple(_pick(views[cluster], u) for cluster, u in zip(CLUSTERS, u_views, strict=True))
        cycle = self._config.cycle
        u_words = torch.rand(self._config.text_tokens, generator=seeded_generator(self._seed, "words", place))
        unknown = (u_words < cycle.word_dropout).nonzero().flatten().tolist()
        return SampleChoice(clip, chosen, u_prompt < cycle.text_dropout, tuple(unknown))

    def _load_text(self, choice: SampleChoice, prompt: str) -> Tensor:
        """Return the embedding (L, text_dim) of a sample's prompt with its unknown words; a word is a row, and rows after the last word are zero."""
        embedding = self._cache.text("" if choice.drop_prompt else prompt)
        if not choice.unknown_words:
            return embedding
        is_unknown = torch.zeros(len(embedding), dtype=torch.bool)
        is_unknown[list(choice.unknown_words)] = True
        is_unknown &= embedding.any(dim=-1)
        return torch.where(is_unknown[:, None], self._cache.text(unknown_prompt(len(embedding))), embedding)


def open_stages(
    folders: Sequence[Path], launch: Launch, preset: str
) -> tuple[dict[str, LatentCache], list[TrainingData]]:
    """Open the latent caches of a training, and build the training data of each stage.

    Args:
        folders: folders of the caches.
        launch: configurations of the model and its training.
        preset: name of the model, for error messages.

    Returns:
        The caches by their video size as text ("480x704"), and the training data of each stage in order.

    Raises:
        FileNotFoundError: a folder is not a cache.
        ValueError: two caches have the same size, a stage has no cache of its size, or a cache fails a check of ``TrainingData``.
    """
    opened = [LatentCache(folder) for folder in folders]
    caches = {f"{each.settings.height}x{each.settings.width}": each for each in opened}
    if len(caches) < len(opened):
        raise ValueError(f"--cache has several of one size ({', '.join(map(str, folders))}): give one of each")
    data = []
    for stage in launch.training.stages:
        height, width = stage.size
        cache = caches.get(f"{height}x{width}")
        if cache is None:
            raise ValueError(
                f"stage {stage.name} needs a cache of {height}x{width}, --cache has {', '.join(caches)}:"
                f" run python -m reference_model.prepare --preset {preset} --size {height},{width} with the same other options"
            )
        sized = replace(launch.model, height=height, width=width)
        training = launch.training
        data.append(
            TrainingData(cache, sized, seed=training.seed, fraction=stage.data_fraction, clusters=training.clusters)
        )
    return caches, data


def to_batch(samples: Sequence[Sequence[LatentView]], text: Tensor, size: tuple[int, int]) -> Batch:
    """Stack the views of B clips to a float32 batch, in which every view has the largest number K of points of any view.

    Args:
        samples: B lists of V views.
        text: embeddings of the B prompts, (B, L, text_dim).
        size: (H, W) of the videos in pixels.

    Returns:
        The batch; added points are zero, and False in ``point_mask``.
    """
    most = max(len(view.anchors) for views in samples for view in views)

    def stack(name: str, points_dim: int | None = None) -> Tensor:
        return torch.stack([torch.stack([_pad(getattr(v, name), points_dim, most) for v in vs]) for vs in samples])

    point_mask = torch.stack(
        [torch.stack([torch.arange(most) < len(view.anchors) for view in views]) for views in samples]
    )
    cameras = Cameras(stack("K"), stack("R"), stack("t"), size)
    return Batch(
        z_video=stack("z_video"), z_motion=stack("z_motion"), s=stack("s"), text=text,
        world=stack("world", 1), anchors=stack("anchors", 0), point_mask=point_mask, cameras=cameras,
    )  # fmt: skip


def check_views(cache: LatentCache, clips: Iterable[str]) -> None:
    """Check that every view of some clips can be trained on, from a few kilobytes of its file; otherwise a training could fail on one after days.

    Raises:
        ValueError: a view is damaged, has no camera or a moving one, or sees no point, or a prompt has no embedding; lists the views.
    """
    if not cache.has_text(""):
        raise ValueError(
            f"{cache.folder} has no embedding of the empty prompt: run python -m reference_model.prepare again"
        )
    views = [(clip, view.id) for clip in clips for view in cache.views(clip)]
    faults = list(_find_faults(cache, views))
    if faults:
        more = f"; and {len(faults) - MAX_LISTED_VIEWS} more" if len(faults) > MAX_LISTED_VIEWS else ""
        raise ValueError(
            f"{cache.folder}: {len(faults)} of {len(views)} views cannot be trained on:"
            f" {'; '.join(faults[:MAX_LISTED_VIEWS])}{more}."
            " Delete their files in views/CLIP/CLUSTER, or run python -m reference_model.prepare again to replace damaged ones;"
            " for a missing embedding delete the view's file first"
        )


def _find_faults(cache: LatentCache, views: Iterable[tuple[str, str]]) -> Iterator[str]:
    has_text = lru_cache(maxsize=None)(cache.has_text)
    for clip, view in views:
        try:
            header = cache.header(clip, view)
        except CorruptFolder as error:
            yield str(error)
            continue
        fault = _fault(header) or ("" if has_text(header.prompt) else f"has no embedding of {header.prompt!r}")
        if fault:
            yield f"clip {clip}, view {view} {fault}"


def _fault(view: ViewHeader) -> str:
    if view.R.ndim == 3:
        return "has a moving camera, the model needs a fixed one"
    if not (view.K[0, 0] > 0 and view.K[1, 1] > 0 and view.R.det() > 0):
        return f"has no valid camera (K {view.K.tolist()}, R {view.R.tolist()})"
    return "" if view.sees_points else "sees none of its points in any frame"


def _pad(tensor: Tensor, points_dim: int | None, most: int) -> Tensor:
    if points_dim is None:
        return tensor.float()
    later_dims = (0, 0) * (tensor.ndim - 1 - points_dim)
    return pad(tensor.float(), (*later_dims, 0, most - tensor.shape[points_dim]))


def _views_by_cluster(cache: LatentCache, clip: str) -> Mapping[str, tuple[str, ...]]:
    """Return the ids of a clip's views by cluster, for the clusters that it has, from left to right."""
    views = {c: tuple(view.id for view in cache.views(clip) if view.cluster == c) for c in CLUSTERS}
    return {cluster: ids for cluster, ids in views.items() if ids}


def _check_clusters(cache: LatentCache, views: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
    """Raise ValueError if a clip has no view of a cluster; ``views`` has the ids of its views by clip and cluster."""
    for clip, found in views.items():
        if missing := [cluster for cluster in CLUSTERS if cluster not in found]:
            raise ValueError(
                f"{cache.folder}: clip {clip} has no view of cluster {', '.join(missing)}:"
                " run python -m reference_model.prepare again (it lists views that fail), or delete the clip's folder in views/"
            )


def _pick(options: tuple[str, ...], u: float) -> str:
    """Return one of some options, chosen by a number ``u`` in [0, 1)."""
    return options[int(u * len(options))]


@lru_cache(maxsize=8)
def _shuffle(clips: tuple[str, ...], *key: int | str) -> tuple[str, ...]:
    order = torch.randperm(len(clips), generator=seeded_generator(*key)).tolist()
    return tuple(clips[index] for index in order)
