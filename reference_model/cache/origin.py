"""What all files of a latent cache were made with: written by whoever comes first, and held to by all others.

While nothing is there that was made with a value, the value may yet change: a broken autoencoder costs no prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hoibench.store import read_json, sha256_file, sha256_json, sweep, write_json
from reference_model.cache.layout import has_text, has_views, record_path, refuse_foreign
from reference_model.cache.lock import held
from reference_model.config import SyncMV4DConfig
from reference_model.model_config import DOWNLOAD, part

SCHEMA = "hoibench/latent-cache@1"
"""Names what the files of a cache mean: what is made in another way is another version."""

DType = Literal["float32", "bfloat16"]

_OF_TEXT = ("text", "dtype", "text_encoder", "hoibench")
"""What embeddings depend on; views depend on all."""


@dataclass(frozen=True)
class Origin:
    """What all files of a latent cache were made with.

    Attributes:
        frames, height, width: N, H and W of the videos that were encoded.
        latent: (C, n, h, w) of one video's latents.
        text: (L, text_dim) of one prompt's embedding.
        points, radius, darkest, eight_bit: how motion was drawn (``config.PseudoVideoConfig``).
        dtype: of latents and text as stored; they are computed in float32.
        dataset, split: where the clips come from, ``split`` as NAME@VERSION/PART.
        split_id, truth_id: of the split's manifest (hoibench.datasets.base).
        vae, text_encoder: digests of the checkpoint's files, see ``weights_digest``.
        hoibench: the version that made it.
    """

    frames: int
    height: int
    width: int
    latent: tuple[int, int, int, int]
    text: tuple[int, int]
    points: int
    radius: int
    darkest: float
    eight_bit: bool
    dtype: DType
    dataset: str
    split: str
    split_id: str
    truth_id: str
    vae: str
    text_encoder: str
    hoibench: str

    @property
    def id(self) -> str:
        """12 hex digits, which every view carries."""
        return sha256_json(asdict(self))[:12]

    @property
    def text_id(self) -> str:
        """12 hex digits, which every embedding carries."""
        return sha256_json({name: getattr(self, name) for name in _OF_TEXT})[:12]


def of_config(config: SyncMV4DConfig) -> dict[str, Any]:
    """The fields of ``Origin`` that a configuration decides."""
    grid = config.frames, config.height, config.width
    pseudo_video = config.pseudo_video
    return {
        **dict(zip(("frames", "height", "width"), grid, strict=True)),
        "latent": (config.mjd.in_channels, *config.latent_grid(*grid)),
        "text": (config.text_tokens, config.mjd.text_dim),
        **{name: getattr(pseudo_video, name) for name in ("points", "radius", "darkest", "eight_bit")},
    }


def weights_digest(checkpoint: Path, *names: str) -> str:
    """12 hex digits of the contents of all files in some subfolders of a checkpoint.

    Raises:
        FileNotFoundError: a subfolder is missing or empty; says what to download.
    """
    return sha256_json({name: _sums(part(checkpoint, name)) for name in names})[:12]


def read_origin(folder: Path) -> Origin:
    """What a cache was made with.

    Raises:
        FileNotFoundError: the folder is no cache.
        ValueError: its record is of another version, or damaged.
    """
    path = record_path(folder)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: {folder} is no folder that python -m reference_model.prepare wrote"
        )
    table = read_json(path, SCHEMA)
    try:
        values: dict[str, Any] = {field.name: table[field.name] for field in fields(Origin)}
    except KeyError as error:
        raise ValueError(f"{path} does not say {error}: give another --out") from error
    return Origin(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def is_claimed(folder: Path, origin: Origin) -> bool:
    """Whether a cache is made with this already, rather than free to be.

    Raises:
        ValueError: it is neither; lists what it was made with, or what is there in place of a cache.
    """
    refuse_foreign(folder)
    if not record_path(folder).is_file():
        return False
    there = read_origin(folder)
    if there != origin and not has_views(folder) and (there.text_id == origin.text_id or not has_text(folder)):
        return False
    refuse_others(folder, asdict(origin))
    return True


def claim(folder: Path, origin: Origin) -> None:
    """Write down what a cache is made with, if it is free to be; of several processes at once, one does.

    Raises:
        ValueError: what is there was made with something else; lists the differences.  Or the folder cannot be written.
        OSError: the disk is full.
    """
    if not is_claimed(folder, origin):
        with held(folder, wait=True):
            if not is_claimed(folder, origin):
                sweep(folder)
                write_json(record_path(folder), {"schema": SCHEMA, **asdict(origin)})


def refuse_others(
    folder: Path, wanted: Mapping[str, Any], fix: str = "give another folder by --out, or delete this one"
) -> None:
    """Raise ValueError if a cache was made with other values of these fields of ``Origin`` than are wanted; lists them and says the ``fix``."""
    there = asdict(read_origin(folder))
    said = ", ".join(f"{name} {there[name]}, now {value}" for name, value in wanted.items() if there[name] != value)
    if said:
        raise ValueError(f"{folder} was prepared otherwise ({said}): {fix}")


def _sums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"{folder} is empty. Download it: {DOWNLOAD}")
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
