"""A trained SyncMV4D saved as a folder: its configuration, its weights and, if small, the parts of Wan2.2-TI2V-5B that it needs.

    save_model(folder, model, wan)
    loaded = load_model(folder, wan, device="cuda", dtype=torch.bfloat16)

The folder has ``syncmv4d.json``, ``mjd/`` (diffusion model) and ``dpa/`` (points aligner, if there is one).  ``vae/``, ``text_encoder/`` and
``tokenizer/`` are in it too, or in a copy of Wan.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from hoibench.store.atomic import new_folder
from hoibench.store.verified_folder import read_metadata, write_metadata
from reference_model.config import DPAConfig, SyncMV4DConfig
from reference_model.cycle.track_codec import Autoencoders
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.loading.autoencoder import load_autoencoders
from reference_model.loading.folder import WAN_PARTS, check_config, read_config
from reference_model.loading.model_folder import (
    METADATA_FILE,
    ModelMetadata,
    find_wan_parts,
    read_model_metadata,
    reinstall_if_shipped,
)
from reference_model.loading.text_encoder import TextEncoder, check_text_encoder, load_text_encoder
from reference_model.loading.transformer import load_mjd
from reference_model.loading.weights import load_weights, open_weights
from reference_model.model import SyncMV4D


@dataclass(frozen=True)
class LoadedModel:
    """A loaded SyncMV4D with its autoencoder and text encoder, on one device.

    Attributes:
        config: configuration of the model.
        model: the diffusion model MJD and the points aligner DPA, frozen.
        autoencoders: the autoencoders of the videos and of the motion pseudo-videos.
        text_encoder: the text encoder.
        digest: digest of the configuration and of all files in the model's folder, 12 hex digits.
    """

    config: SyncMV4DConfig
    model: SyncMV4D
    autoencoders: Autoencoders
    text_encoder: TextEncoder
    digest: str


def save_model(folder: Path, model: SyncMV4D, wan: Path | None = None, *, max_copied_bytes: int = 512 << 20) -> None:
    """Save a model to a folder, atomically, replacing one that an earlier call wrote.

    Args:
        folder: the folder to write.
        model: the model, neither sharded nor wrapped.
        wan: folder of a Wan checkpoint or of the model's own parts; autoencoder, text encoder and tokenizer are copied if they are small.
        max_copied_bytes: largest total size that is copied: the parts of small models are copied, Wan's are not.

    Raises:
        FileExistsError: ``folder`` has other contents.
        ValueError: a weight is NaN or infinite; names it.
        OSError: the disk is full or ``folder`` cannot be written.
    """
    if folder.exists() and not (folder / METADATA_FILE).is_file() and not _is_empty(folder):
        raise FileExistsError(f"{folder} exists and is not a model's folder: give another")
    _check_finite(model)
    with new_folder(folder) as new:
        with _disk_full_as_oserror(folder):
            model.mjd.save_pretrained(new / "mjd")
            if model.dpa is not None:
                model.dpa.save_pretrained(new / "dpa")
        for part in _small_parts(wan, max_copied_bytes):
            shutil.copytree(part, new / part.name)
        write_metadata(new, ModelMetadata(config=model.config))


def load_model(
    folder: Path,
    wan: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> LoadedModel:
    """Load a model that ``save_model`` wrote, and the parts of Wan that sampling needs, all frozen.

    Args:
        folder: the model's folder.
        wan: a copy of Wan2.2-TI2V-5B-Diffusers for the parts that are not in ``folder``.
        device: device of all models.
        dtype: dtype of the diffusion model's weights; the points aligner and the autoencoder are float32, the text encoder is bfloat16.

    Raises:
        FileNotFoundError: the folder, a file or a part is missing; says how to get it.
        ValueError: a file is truncated, changed or of another model, weights contain NaN, or the configuration is of another version.
    """
    with reinstall_if_shipped(folder):
        return _load_model(folder, wan, device, dtype)


def _load_model(folder: Path, wan: Path | None, device: torch.device | str, dtype: torch.dtype) -> LoadedModel:
    metadata = read_model_metadata(folder)
    config = metadata.config
    vae_folder, text_folder, _ = find_wan_parts(folder, wan)
    autoencoders = load_autoencoders(vae_folder.parent, config, device)
    text_encoder = load_text_encoder(text_folder.parent, device=device)
    check_text_encoder(text_encoder.model, config, text_folder)
    dpa = _load_dpa(folder / "dpa", config.dpa) if config.aligner else None
    model = SyncMV4D(config, load_mjd(folder / "mjd", config, dtype=dtype), dpa)
    model.eval().requires_grad_(False)
    read_metadata(folder, ModelMetadata, check="contents")  # last, since the checks above give better reasons
    return LoadedModel(config, model.to(device), autoencoders, text_encoder, metadata.digest)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


@contextmanager
def _disk_full_as_oserror(folder: Path) -> Iterator[None]:
    """Raise OSError if the ``with`` block finds the disk full, for which safetensors has an error class of its own."""
    try:
        yield
    except SafetensorError as error:
        if f"os error {errno.ENOSPC}" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _check_finite(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not torch.stack(parameter.detach().aminmax()).isfinite().all():
            raise ValueError(f"{name} contains NaN or infinity, so the model was not saved")


def _small_parts(wan: Path | None, max_bytes: int) -> list[Path]:
    parts = [wan / name for name in WAN_PARTS if (wan / name).is_dir()] if wan is not None else []
    size = sum(path.stat().st_size for part in parts for path in part.rglob("*") if path.is_file())
    return parts if size <= max_bytes else []


def _load_dpa(folder: Path, config: DPAConfig) -> DiffusionPointsAligner:
    check_config(folder, read_config(folder), asdict(config), f"{METADATA_FILE} differs: {ModelMetadata.FIX}")
    with torch.device("meta"):
        dpa = DiffusionPointsAligner(config)
    load_weights(dpa, open_weights(folder), dtype=torch.float32)
    return dpa
