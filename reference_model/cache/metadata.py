"""What lies where in the folder of a latent cache, and what all of it was made with: written by whoever comes first, and held to by all others.

While nothing is there that was made with a value, the value may yet change: a broken autoencoder costs no prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from hoibench.store import sha256_file, sha256_json
from hoibench.store.records import Record
from hoibench.store.settings import check_settings, ensure_settings
from reference_model.config import SyncMV4DConfig
from reference_model.loading.folder import DOWNLOAD_COMMAND, find_part

RECORD = "cache.json"
SUFFIX = ".safetensors"
_FIX = "give another folder by --out, or delete this one"

DType = Literal["float32", "bfloat16"]

_OF_TEXT = ("text", "dtype", "text_encoder", "hoibench")
"""What embeddings depend on; views depend on all."""


class Origin(Record):
    """The settings that all files of a latent cache were made with; its schema names what they mean: what is made in another way is another version.

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

    SCHEMA: ClassVar[str] = "hoibench/latent-cache@2"

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
        return sha256_json(self.to_json())[:12]

    @property
    def text_id(self) -> str:
        """12 hex digits, which every embedding carries."""
        return sha256_json(self.model_dump(mode="json", include=set(_OF_TEXT)))[:12]


def record_path(folder: Path) -> Path:
    """The file that says what the cache is made with."""
    return folder / RECORD


def views_folder(folder: Path) -> Path:
    """The folder of the clips, a folder each, and in it one a cluster."""
    return folder / "views"


def text_folder(folder: Path) -> Path:
    """The folder of the embeddings."""
    return folder / "text"


def has_views(folder: Path) -> bool:
    """Whether a view of any clip is there, whole or not."""
    return any(views_folder(folder).glob(f"*/*/[!.]*{SUFFIX}"))


def has_text(folder: Path) -> bool:
    """Whether the embedding of any prompt is there, whole or not."""
    return any(text_folder(folder).glob(f"[!.]*{SUFFIX}"))


def refuse_foreign(folder: Path) -> None:
    """Raise ValueError if a folder is none, or is no cache and holds other things than a cache would; hidden files do not count."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise ValueError(f"--out {folder}: {there} is a file, expected a folder: give another --out")
    if there != folder or record_path(folder).is_file():
        return
    ours = {RECORD, views_folder(folder).name, text_folder(folder).name}
    names = sorted(path.name for path in folder.iterdir() if path.name not in ours and not path.name.startswith("."))
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ValueError(
            f"--out {folder} is no latent cache and holds other things ({names[0]}{more}): give a folder that is new or empty"
        )


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
    return sha256_json({name: _sums(find_part(checkpoint, name)) for name in names})[:12]


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
    return Origin.read(path)


def is_claimed(folder: Path, origin: Origin) -> bool:
    """Whether a cache is made with this already, rather than free to be.

    Raises:
        ValueError: it is neither; lists what it was made with, or what is there in place of a cache.
    """
    refuse_foreign(folder)
    if not record_path(folder).is_file() or _is_free(folder, origin, read_origin(folder)):
        return False
    refuse_others(folder, origin.to_json())
    return True


def claim(folder: Path, origin: Origin) -> None:
    """Write down what a cache is made with, if it is free to be; of several processes at once, one does.

    Raises:
        ValueError: what is there was made with something else; lists the differences.
        WriteError: the folder cannot be written, or the disk is full.
    """
    refuse_foreign(folder)
    ensure_settings(
        record_path(folder),
        origin,
        fix=_FIX,
        may_replace=lambda there: there is not None and _is_free(folder, origin, there),
    )


def refuse_others(folder: Path, wanted: Mapping[str, Any], fix: str = _FIX) -> None:
    """Raise ValueError if a cache was made with other values of these fields of ``Origin`` than are wanted; lists them and says the ``fix``."""
    check_settings(record_path(folder), read_origin(folder), wanted, fix=fix)


def _is_free(folder: Path, origin: Origin, there: Origin) -> bool:
    """Whether nothing is there that was made otherwise than it would be now."""
    return there != origin and not has_views(folder) and (there.text_id == origin.text_id or not has_text(folder))


def _sums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"{folder} is empty. Download it: {DOWNLOAD_COMMAND}")
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
