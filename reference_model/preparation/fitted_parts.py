"""The parts of a small model that are fitted to the clips of a split: a linear autoencoder, and a table of the words in the prompts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hoibench.datasets.base import Dataset, Manifest, sample_clips
from hoibench.progress import ProgressCallback
from reference_model.config import SyncMV4DConfig
from reference_model.preparation.view_groups import CameraChoice, ViewGroup, clip_prompt, group_views

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FITTED_CLIPS = 200
"""Number of clips that the autoencoder is fitted to, or all clips of a split that has fewer."""

_SEED = 0


@dataclass(frozen=True, eq=False)
class FittingData:
    """The clips that the parts of a model are fitted to.

    Attributes:
        groups: views of the clips.
        prompts: prompts of all clips of the split; their words are the model's vocabulary.
        processes: number of processes that load the clips before one reads them.
        on_progress: called with the current step and (done, total), numbers of views or of clips.
    """

    groups: Sequence[ViewGroup]
    prompts: Sequence[str]
    processes: int
    on_progress: ProgressCallback

    @classmethod
    def sample(
        cls,
        dataset: Dataset,
        manifest: Manifest,
        cameras: CameraChoice,
        limit: int | None,
        processes: int,
        on_progress: ProgressCallback,
    ) -> FittingData:
        """Return a seeded sample of ``FITTED_CLIPS`` clips of a split, or ``limit`` if that is fewer, with the prompts of all."""
        entries = sample_clips(manifest.entries, min(FITTED_CLIPS, limit or FITTED_CLIPS))
        prompts = [clip_prompt(entry) for entry in manifest.entries]
        return cls(list(group_views(dataset, entries, cameras)), prompts, processes, on_progress)

    def render(self, config: SyncMV4DConfig) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the video and the motion pseudo-video, (N, H, W, 3) each, of each view; views that cannot be read are logged and left out."""
        import torch

        from reference_model.preparation.encode_view import render_view
        from reference_model.preparation.parallel import load_clips

        if self.processes > 1:
            load_clips(self.groups, self.processes, partial(self.on_progress, "clips for the autoencoder"))
        total = sum(len(group.views) for group in self.groups)
        done = 0
        for group in self.groups:
            self.on_progress("fitting the autoencoder, views", done, total)
            try:
                clip = group.load()
                for index in range(len(clip.views)):
                    rendered = render_view(clip, index, config)
                    yield torch.from_numpy(rendered.video), torch.from_numpy(rendered.motion)
            except (ValueError, FileNotFoundError) as error:
                log.warning("the autoencoder is fitted without clip %s: %s", group.clip, error)
            done += len(group.views)


def write_fitted_parts(folder: Path, config: SyncMV4DConfig, data: FittingData) -> None:
    """Fit a linear autoencoder to clips, and write it and a table of the words in their prompts to a folder.

    Words that are in no prompt of the split, such as those of held-out triplets, are unknown to the model.
    """
    from reference_model.loading.linear_autoencoder import fit_linear_autoencoders
    from reference_model.loading.text_table import TextTable, prompt_words, save_text_encoder

    vae = fit_linear_autoencoders(data.render(config), config.mjd.in_channels, config.vae.stride)
    vae.save_pretrained(folder / "vae")
    words = prompt_words(data.prompts)
    table = TextTable.orthogonal(len(words) + 1, config.mjd.text_dim, config.text_tokens, seed=_SEED)
    save_text_encoder(folder, words, table)
