"""The latent cache that training reads: what ``python -m reference_model.prepare`` wrote of every clip and view, and of every prompt.

    FOLDER/cache.json                                 what all of it was made with (``metadata.Origin``)
    FOLDER/views/CLIP/CLUSTER/VIEW.safetensors        one view of a clip: a ``LatentView``
    FOLDER/text/SHA256_OF_THE_PROMPT.safetensors      its embedding

z^I, the latent of a view's reference image, is latent frame 0 of ``z_video``: the autoencoder is causal, so it is that of the first image alone, bit
for bit.  A clip may have several views in a cluster; training draws one of each per iteration (paper, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from hoibench.clip import CLUSTERS, Cluster
from hoibench.plugins import UnknownName
from reference_model.cache.files import Glance, LatentView, find_text, glance_at, read_text, read_view
from reference_model.cache.metadata import SUFFIX, of_config, read_origin, refuse_others, views_folder
from reference_model.config import SyncMV4DConfig


class CachedView(NamedTuple):
    """A view that the cache has: its id, and the cluster that it is drawn from."""

    id: str
    cluster: Cluster


class LatentCache:
    """A cache, opened to be read.

        cache = LatentCache(folder)
        for clip in cache.clips:
            view = cache.load(clip, cache.views(clip)[0].id)
            text = cache.text(view.prompt)

    Raises:
        FileNotFoundError: the folder is no cache.
        ValueError: it was written by another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = read_origin(folder)

    def check(self, config: SyncMV4DConfig) -> None:
        """Raise ValueError unless the cache was made for this configuration's grid, latents, text and drawing; lists the differences."""
        refuse_others(self.folder, of_config(config), fix="give the preset that it is for, or a cache of this preset")

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips that have at least one view, sorted; those that could not be prepared are not among them."""
        return tuple(self._views)

    def views(self, clip: str) -> tuple[CachedView, ...]:
        """The views of a clip: left, center, right, and by id within a cluster.

        Raises:
            UnknownName: the cache has no such clip.
        """
        if clip not in self._views:
            raise UnknownName("clip", clip, self._views)
        return self._views[clip]

    def load(self, clip: str, view: str) -> LatentView:
        """One view, all of it read and checked.

        Raises:
            UnknownName: the cache has no such clip or view.
            FileNotFoundError: its file is gone.
            CorruptFolder: its file is truncated, changed, of another cache, or holds NaN or another shape.
        """
        return read_view(self.folder, self.origin, clip, self._cluster(clip, view), view)

    def glance(self, clip: str, view: str) -> Glance:
        """What of a view tells whether it can be trained on, some kilobytes; the rest of its file is not read, nor its digest checked.

        Raises:
            UnknownName: the cache has no such clip or view.
            FileNotFoundError: its file is gone.
            CorruptFolder: its file is truncated, of another cache, or its camera holds NaN or has another shape.
        """
        return glance_at(self.folder, self.origin, clip, self._cluster(clip, view), view)

    def text(self, prompt: str) -> Tensor:
        """(L, text_dim) embedding of a prompt, zero after its last token; the empty prompt is the unconditional one.  Raises as ``read_text``."""
        return read_text(self.folder, self.origin, prompt)

    def has_text(self, prompt: str) -> bool:
        """Whether there is an embedding of a prompt."""
        return find_text(self.folder, prompt)

    def _cluster(self, clip: str, view: str) -> Cluster:
        clusters = {each.id: each.cluster for each in self.views(clip)}
        if view not in clusters:
            raise UnknownName(f"view of clip {clip}", view, clusters)
        return clusters[view]

    @cached_property
    def _views(self) -> Mapping[str, tuple[CachedView, ...]]:
        clips = sorted(path.name for path in views_folder(self.folder).glob("*") if path.is_dir())
        views = {clip: tuple(self._listed(clip)) for clip in clips}
        return {clip: found for clip, found in views.items() if found}

    def _listed(self, clip: str) -> list[CachedView]:
        folder = views_folder(self.folder) / clip
        return [
            CachedView(path.stem, cluster)
            for cluster in CLUSTERS
            for path in sorted((folder / cluster).glob(f"[!.]*{SUFFIX}"))
        ]
