"""The folder of a saved model, read without its weights and without torch: the metadata, and where the parts of Wan are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hoibench.store import sha256_json
from hoibench.store.verified_folder import CorruptFolder, FolderMetadata, read_metadata
from reference_model.config import SyncMV4DConfig
from reference_model.config.changes import CompleteConfig
from reference_model.loading.folder import DOWNLOAD_COMMAND, WAN_PARTS

METADATA_FILE = "syncmv4d.json"
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
"""Folder of the models that are part of hoibench."""


class ModelMetadata(FolderMetadata):
    """The metadata of a saved model's folder, in ``syncmv4d.json``.

    Attributes:
        config: configuration of the model.
        files: sizes and SHA-256 of all other files.
    """

    SCHEMA = "hoibench/syncmv4d@5"
    FILE = METADATA_FILE
    FIX = "copy the model's folder again"

    config: CompleteConfig

    @property
    def digest(self) -> str:
        """A digest of the configuration and of all files, 12 hex digits."""
        return sha256_json(self.to_json())[:12]


def read_config_and_digest(folder: Path) -> tuple[SyncMV4DConfig, str]:
    """Read the configuration of a saved model, without reading weights.

    Returns:
        The configuration, and a digest of it and of all files in the model's folder, 12 hex digits.

    Raises:
        FileNotFoundError: the folder is not a model's, or a file is missing.
        ValueError: the metadata is of another version, or a file has another size than was written.
    """
    with reinstall_if_shipped(folder):
        metadata = read_model_metadata(folder)
    return metadata.config, metadata.digest


def read_model_metadata(folder: Path) -> ModelMetadata:
    """Read the metadata of a saved model's folder, and check the sizes of its files; raises the errors of ``read_config_and_digest``."""
    path = folder / METADATA_FILE
    if not path.is_file():
        below = folder / "model"  # as in the folder of a training
        fix = f": give {below}" if (below / METADATA_FILE).is_file() else ""
        raise FileNotFoundError(
            f"{path}: no such file. Expected a folder written by python -m reference_model.train, with {METADATA_FILE}, mjd and dpa{fix}"
        )
    return read_metadata(folder, ModelMetadata, check="sizes")


@contextmanager
def reinstall_if_shipped(folder: Path) -> Iterator[None]:
    """Let errors of a model that is part of hoibench say so."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        if not folder.resolve().is_relative_to(CHECKPOINTS):
            raise
        kind = next(each for each in (CorruptFolder, FileNotFoundError, ValueError) if isinstance(error, each))
        raise kind(f"{error}. This model is part of hoibench: reinstall hoibench") from error


def find_wan_parts(folder: Path, wan: Path | None = None) -> list[Path]:
    """Return the folders of Wan's autoencoder, text encoder and tokenizer, in this order, each in a saved model's folder or in a copy of Wan.

    Raises:
        FileNotFoundError: a part is in neither; says how to get it.
    """
    return [_find_wan_part(folder, wan, name) for name in WAN_PARTS]


def _find_wan_part(folder: Path, wan: Path | None, name: str) -> Path:
    if (folder / name).is_dir():
        return folder / name
    if wan is None:
        raise FileNotFoundError(
            f"{folder} has no {name}: give a copy of Wan2.2-TI2V-5B-Diffusers by --weights, for sample by --wan ({DOWNLOAD_COMMAND}),"
            " or if the model was trained without --wan, copy its folder again"
        )
    if not (wan / name).is_dir():
        raise FileNotFoundError(f"neither {folder} nor {wan} has {name}: download it again, {DOWNLOAD_COMMAND}")
    return wan / name
