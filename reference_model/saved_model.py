"""A trained SyncMV4D as a folder: its configuration, both models' weights and, where they are small, the parts of Wan that it goes with.

    save_model(folder, model, wan)
    loaded = load_model(folder, wan, device="cuda", dtype=torch.bfloat16)

``syncmv4d.json``, ``mjd/`` and ``dpa/`` are always there; ``vae/``, ``text_encoder/`` and ``tokenizer/`` may lie in a copy of Wan2.2-TI2V-5B instead.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from hoibench.store import sha256_json
from hoibench.store.atomic import new_folder
from hoibench.store.verified_folder import FolderMetadata, read_metadata, write_metadata
from reference_model.config import DPAConfig, SyncMV4DConfig
from reference_model.config_json import WholeConfig
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.latents import VideoCoder
from reference_model.model import SyncMV4D
from reference_model.model_config import DOWNLOAD, read_config
from reference_model.model_folder import fill, open_weights
from reference_model.text import TextEncoder, load_text_encoder
from reference_model.wan import check_vae, load_mjd, load_vae

RECORD = "syncmv4d.json"
PARTS = ("vae", "text_encoder", "tokenizer")

SMALL = 512 << 20
"""Bytes up to which the parts of Wan are copied into the folder, so that it needs no other: those of test models are, Wan's own are not."""


class ModelMetadata(FolderMetadata):
    """The metadata of a model's folder; ``files`` are those of both models, not the parts of Wan."""

    SCHEMA = "hoibench/syncmv4d@2"
    FILE = RECORD
    FIX = "copy the model's folder again"

    config: WholeConfig


@dataclass(frozen=True)
class LoadedModel:
    """All that a sample takes, on one device.

    Attributes:
        config: the model's.
        model: MJD and DPA, frozen.
        coder: the video autoencoder.
        text_encoder: umT5.
        digest: 12 hex digits of the configuration and the weights of MJD and DPA.
    """

    config: SyncMV4DConfig
    model: SyncMV4D
    coder: VideoCoder
    text_encoder: TextEncoder
    digest: str


def save_model(folder: Path, model: SyncMV4D, wan: Path | None = None) -> None:
    """Write a model, whole or not at all; one that an earlier call wrote there is replaced.

    Args:
        folder: to be.
        model: whole, that is neither sharded nor wrapped.
        wan: where its autoencoder, text encoder and tokenizer lie; they are copied if they are small.

    Raises:
        FileExistsError: something else lies in ``folder``.
        ValueError: a weight is NaN or infinite; names it.
        OSError: the disk is full or ``folder`` cannot be written.
    """
    if folder.exists() and not (folder / RECORD).is_file() and not _is_empty(folder):
        raise FileExistsError(f"{folder} is there and is no model's folder: give another")
    _refuse_nan(model)
    with new_folder(folder) as new:
        with _full_disk_told(folder):
            model.mjd.save_pretrained(new / "mjd")
            model.dpa.save_pretrained(new / "dpa")
        write_metadata(new, ModelMetadata(config=model.config))
        for part in _small_parts(wan):
            shutil.copytree(part, new / part.name)


def load_model(
    folder: Path,
    wan: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> LoadedModel:
    """The model of a folder with all that it goes with, frozen.

    Args:
        folder: what ``save_model`` wrote.
        wan: a copy of Wan2.2-TI2V-5B-Diffusers for the parts that are not in ``folder``.
        device: where everything is put.
        dtype: of MJD's weights; DPA and the autoencoder are float32.

    Raises:
        FileNotFoundError: the folder, a file or a part is missing; says how to get it.
        ValueError: a file is truncated, changed or of another model, weights hold NaN, or the configuration is not this version's.
    """
    config, digest = read_record(folder)
    vae_folder, text_folder, _ = find_parts(folder, wan)
    vae = load_vae(vae_folder.parent)
    check_vae(vae, config, vae_folder)
    text_encoder = load_text_encoder(text_folder.parent, device=device)
    _check_text(text_encoder, config, text_folder)
    model = SyncMV4D(config, load_mjd(folder / "mjd", config, dtype=dtype), _load_dpa(folder / "dpa", config.dpa))
    model.eval().requires_grad_(False)
    read_metadata(
        folder, ModelMetadata, check="contents"
    )  # last: what is wrong with a changed file can be said better than that it is changed
    return LoadedModel(config, model.to(device), VideoCoder(vae.to(device)), text_encoder, digest)


def read_record(folder: Path) -> tuple[SyncMV4DConfig, str]:
    """The configuration of a model's folder, and 12 hex digits of it and of the weights as they were written; no weight is read.

    Raises:
        FileNotFoundError: it is no model's folder, or a file is missing.
        ValueError: the record is not this version's, or a file has another size than was written.
    """
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Expected a folder that python -m reference_model.train wrote, with {RECORD}, mjd and dpa"
        )
    metadata = read_metadata(folder, ModelMetadata, check="sizes")
    return metadata.config, sha256_json(metadata.to_json())[:12]


def find_parts(folder: Path, wan: Path | None = None) -> list[Path]:
    """Where each of ``PARTS`` lies: in a model's folder, or in the copy of Wan beside it.

    Raises:
        FileNotFoundError: a part is in neither; says how to get it.
    """
    return [_find(folder, wan, name) for name in PARTS]


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


@contextmanager
def _full_disk_told(folder: Path) -> Iterator[None]:
    """Tell a full disk for what it is: safetensors' writer has an error of its own for any failed write."""
    try:
        yield
    except SafetensorError as error:
        if f"os error {errno.ENOSPC}" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _refuse_nan(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not torch.stack(parameter.detach().aminmax()).isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity, so the model was not saved")


def _small_parts(wan: Path | None) -> list[Path]:
    there = [wan / name for name in PARTS if (wan / name).is_dir()] if wan is not None else []
    size = sum(path.stat().st_size for part in there for path in part.rglob("*") if path.is_file())
    return there if size <= SMALL else []


def _find(folder: Path, wan: Path | None, name: str) -> Path:
    if (folder / name).is_dir():
        return folder / name
    if wan is None:
        raise FileNotFoundError(
            f"{folder} has no {name}: give a folder of Wan2.2-TI2V-5B-Diffusers by --weights ({DOWNLOAD})"
        )
    if not (wan / name).is_dir():
        raise FileNotFoundError(f"neither {folder} nor {wan} has {name}: download it anew, {DOWNLOAD}")
    return wan / name


def _check_text(text_encoder: TextEncoder, config: SyncMV4DConfig, where: Path) -> None:
    found, wanted = text_encoder.model.config.d_model, config.mjd.text_dim
    if found != wanted:
        raise ValueError(f"{where} gives {found} channels, the model takes {wanted}: give the model's own")


def _load_dpa(folder: Path, config: DPAConfig) -> DiffusionPointsAligner:
    stored, expected = read_config(folder), json.loads(json.dumps(asdict(config)))
    if problems := [_unlike(name, stored, value) for name, value in expected.items() if stored.get(name) != value]:
        raise ValueError(f"{folder / 'config.json'} is of another model than {RECORD} says: {', '.join(problems)}")
    with torch.device("meta"):
        dpa = DiffusionPointsAligner(**asdict(config))
    fill(dpa, open_weights(folder, "diffusion_pytorch_model"))
    return dpa


def _unlike(name: str, stored: Mapping[str, Any], expected: Any) -> str:
    return f"{name} is {stored.get(name)!r}, expected {expected!r}"
