"""The parts of a checkpoint that preparing reads, checked before anything is made by them."""

from __future__ import annotations

from pathlib import Path

from reference_model.config import SyncMV4DConfig


def check_parts(wan: Path, config: SyncMV4DConfig) -> None:
    """Check a checkpoint's autoencoder, text encoder and tokenizer: that they are whole and a configuration's own.

    Configurations, and the names and shapes of all weights; no weight is read, so a NaN is found only when a part is loaded.

    Raises:
        FileNotFoundError: a part or a file of it is missing.
        ValueError: a file is broken, its weights are another model's, or it is not the configuration's.
    """
    from reference_model.loading.autoencoder import (  # here, since both take seconds and are often not needed
        check_vae,
        open_vae,
    )
    from reference_model.loading.text_encoder import check_text_encoder, open_text_encoder

    check_vae(open_vae(wan)[0], config, wan / "vae")
    check_text_encoder(open_text_encoder(wan)[0], config, wan / "text_encoder")
