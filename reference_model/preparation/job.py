"""The latent cache to prepare: its folder and settings, the model that it is for, and the parts that encode it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from reference_model.cache.settings import CacheSettings, check_cache_settings
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.track_codec import Autoencoders


@dataclass(frozen=True)
class PreparationJob:
    """A latent cache to prepare.

    Attributes:
        folder: folder of the cache.
        settings: settings of the cache.
        config: configuration of the model that the cache is for.
        parts: folder of the autoencoder and the text encoder, Wan2.2-TI2V-5B-Diffusers or the model's own.
        device: device to encode on, ``cpu`` or ``cuda``.
    """

    folder: Path
    settings: CacheSettings
    config: SyncMV4DConfig
    parts: Path
    device: str

    @property
    def dtype(self) -> torch.dtype:
        """Type of the latents and embeddings that are stored."""
        dtype: torch.dtype = getattr(torch, self.settings.dtype)
        return dtype

    def check_settings(self) -> None:
        """Raise ValueError if another process changed the cache's settings; called before each file is written."""
        check_cache_settings(self.folder, self.settings.to_json())

    def load_autoencoders(self) -> Autoencoders:
        """Load the model's autoencoders to the job's device.

        Raises:
            FileNotFoundError: the autoencoder or a file of it is missing.
            ValueError: a file of it is damaged or of another model.
        """
        # diffusers takes seconds to import and is often not needed
        from reference_model.loading.autoencoder import load_autoencoders

        return load_autoencoders(self.parts, self.config, self.device)


def check_parts(folder: Path, config: SyncMV4DConfig) -> None:
    """Check that the autoencoder, text encoder and tokenizer in a folder, Wan's or a model's own, are complete and fit a model.

    Reads configurations, and the names and shapes of all weights; NaN in a weight is found only when it is loaded.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or its weights are of another model.
    """
    # These imports take seconds and are often not needed.
    from reference_model.loading.autoencoder import check_vae, open_vae
    from reference_model.loading.text_encoder import check_text_encoder, open_text_encoder

    check_vae(open_vae(folder)[0], config, folder / "vae")
    check_text_encoder(open_text_encoder(folder)[0], config, folder / "text_encoder")
