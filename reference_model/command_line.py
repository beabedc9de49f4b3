"""Checks of arguments that the commands ``python -m reference_model.*`` share."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hoibench.errors import is_disk_full
from reference_model.config import SyncMV4DConfig
from reference_model.loading.folder import DOWNLOAD_COMMAND


def require_wan(preset: str, config: SyncMV4DConfig, wan: Path | None) -> None:
    """Raise ValueError if a model uses Wan's autoencoder and text encoder, and ``--wan`` is not given."""
    if wan is None and config.parts == "wan":
        raise ValueError(f"preset {preset} needs --wan FOLDER, a copy of Wan2.2-TI2V-5B-Diffusers: {DOWNLOAD_COMMAND}")


def create_output_folder(folder: Path, flag: str = "--out") -> None:
    """Create the folder given by ``flag`` if it is missing, and check that files can be written to it.

    Raises:
        ValueError: the folder cannot be written; names it and the system's reason.
        OSError: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ValueError(f"{flag} {folder} cannot be written ({error.strerror}): give a writable folder") from error
