"""The settings of a latent cache, and the layout of its folder.

    FOLDER/cache.json                               ``CacheSettings``
    FOLDER/views/CLIP/CLUSTER/VIEW.safetensors      a ``LatentView``, see ``latent_cache``
    FOLDER/text/SHA256_OF_THE_PROMPT.safetensors    the embedding of a prompt
    FOLDER/parts/                                   the model's own autoencoder and text encoder, if it was prepared without Wan's

The first process writes the settings; later ones must have the same.  A setting may change while no file depends on it; for example, if preparing
failed at the first view, another autoencoder can be given and the embeddings of prompts are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from hoibench.store import sha256_file, sha256_json
from hoibench.store.folder_settings import check_settings, ensure_settings
from hoibench.store.records import Record
from reference_model.config import SyncMV4DConfig
from reference_model.loading.folder import DOWNLOAD_COMMAND, find_part

SETTINGS_FILE = "cache.json"
SUFFIX = ".safetensors"
_FIX = "give another folder by --out, or delete this one"

DType = Literal["float32", "bfloat16"]

_TEXT_SETTINGS = ("text_shape", "dtype", "text_encoder", "hoibench")
"""Fields of ``CacheSettings`` that the embeddings of prompts depend on; views depend on all fields."""


class CacheSettings(Record):
    """The settings of a latent cache, on which the contents of its files depend; a change of how files are computed needs a new schema version.

    Attributes:
        frames, height, width: number of frames N, height H and width W in pixels of the videos.
        latent_shape: (C, n, h, w) of a video's latents.
        text_shape: (L, text_dim) of a prompt's embedding.
        points, radius, depth_tolerance, darkest, eight_bit: how motion pseudo-videos are rendered (``reference_model.config.PseudoVideoConfig``).
        dtype: type of the stored latents and embeddings; latents are computed in float32, embeddings in bfloat16.
        dataset: name of the data set of the clips.
        split: its split, as NAME@VERSION/PART.
        split_id, truth_id: versions of the split's file and of the clips' truth (``hoibench.datasets.base.Manifest``).
        vae, text_encoder: digests of these parts, Wan's or the model's own, see ``weights_digest``.
        hoibench: the version of hoibench.
    """

    SCHEMA: ClassVar[str] = "hoibench/latent-cache@4"

    frames: int
    height: int
    width: int
    latent_shape: tuple[int, int, int, int]
    text_shape: tuple[int, int]
    points: int
    radius: int
    depth_tolerance: float
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
        """A digest of all settings, 12 hex digits; stored in the file of every view."""
        return sha256_json(self.to_json())[:12]

    @property
    def text_id(self) -> str:
        """A digest of the settings that embeddings depend on, 12 hex digits; stored in the file of every embedding."""
        return sha256_json(self.model_dump(mode="json", include=set(_TEXT_SETTINGS)))[:12]


def views_folder(folder: Path) -> Path:
    """Return the path of a cache's folder of views, which has subfolders CLIP/CLUSTER."""
    return folder / "views"


def text_folder(folder: Path) -> Path:
    """Return the path of a cache's folder of prompt embeddings."""
    return folder / "text"


def parts_folder(folder: Path) -> Path:
    """Return the path of a cache's folder of the model's own autoencoder and text encoder; it is missing if Wan's were used."""
    return folder / "parts"


def config_settings(config: SyncMV4DConfig) -> dict[str, Any]:
    """Return the values of ``CacheSettings`` that a model's configuration determines, by field name."""
    grid = config.frames, config.height, config.width
    pseudo_video = config.pseudo_video
    return {
        **dict(zip(("frames", "height", "width"), grid, strict=True)),
        "latent_shape": (config.mjd.in_channels, *config.latent_grid(*grid)),
        "text_shape": (config.text_tokens, config.mjd.text_dim),
        **{
            name: getattr(pseudo_video, name)
            for name in ("points", "radius", "depth_tolerance", "darkest", "eight_bit")
        },
    }


def weights_digest(checkpoint: Path, *names: str) -> str:
    """Return a digest, 12 hex digits, of the contents of all files in the named subfolders of a Wan checkpoint.

    Raises:
        FileNotFoundError: a subfolder is missing or empty; says what to download.
    """
    return sha256_json({name: _file_digests(find_part(checkpoint, name)) for name in names})[:12]


def has_parts(folder: Path, settings: CacheSettings) -> bool:
    """Return whether a folder has the autoencoder and the text encoder of the settings, with equal contents in every file."""
    try:
        digests = weights_digest(folder, "vae"), weights_digest(folder, "text_encoder", "tokenizer")
    except FileNotFoundError:
        return False
    return digests == (settings.vae, settings.text_encoder)


def read_settings(folder: Path) -> CacheSettings:
    """Read the settings of a latent cache from its folder.

    Raises:
        FileNotFoundError: the folder is not a cache.
        ValueError: the file is damaged or of another version.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: expected a folder written by python -m reference_model.prepare")
    return CacheSettings.read(path)


def check_folder(folder: Path) -> None:
    """Raise ValueError unless a folder is missing, empty or a latent cache; hidden files are ignored."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.exists() and not existing.is_dir():
        raise ValueError(f"--out {folder}: {existing} is a file, expected a folder: give another --out")
    if existing != folder or (folder / SETTINGS_FILE).is_file():
        return
    ours = {SETTINGS_FILE, *(each(folder).name for each in (views_folder, text_folder, parts_folder))}
    names = sorted(path.name for path in folder.iterdir() if path.name not in ours and not path.name.startswith("."))
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ValueError(
            f"--out {folder} is not a latent cache and has other files ({names[0]}{more}): give a new or empty folder"
        )


def has_settings(folder: Path, settings: CacheSettings) -> bool:
    """Return True if a cache has these settings, and False if it has none yet or ones that may be replaced by these.

    Raises:
        ValueError: it has other settings, which are listed, or the folder is not a cache.
    """
    check_folder(folder)
    if not (folder / SETTINGS_FILE).is_file() or _may_replace(folder, settings, read_settings(folder)):
        return False
    check_cache_settings(folder, settings.to_json())
    return True


def ensure_cache_settings(folder: Path, settings: CacheSettings) -> None:
    """Write the settings to the folder of a new latent cache, or check that an existing cache has the same; safe with several processes.

    Raises:
        ValueError: it has other settings, which are listed, or the folder is not a cache.
        WriteError: the folder cannot be written, or the disk is full.
    """
    check_folder(folder)
    ensure_settings(
        folder / SETTINGS_FILE,
        settings,
        fix=_FIX,
        may_replace=lambda recorded: recorded is not None and _may_replace(folder, settings, recorded),
    )


def check_cache_settings(folder: Path, expected: Mapping[str, Any], fix: str = _FIX) -> None:
    """Raise ValueError if settings of a cache differ from ``expected`` (values by field name); the message lists them and ends with ``fix``."""
    check_settings(folder / SETTINGS_FILE, read_settings(folder), expected, fix=fix)


def _may_replace(folder: Path, settings: CacheSettings, recorded: CacheSettings) -> bool:
    """Return whether the settings differ from the recorded ones, and no file of the cache depends on those that do."""
    if recorded == settings or any(views_folder(folder).glob(f"*/*/[!.]*{SUFFIX}")):
        return False
    return recorded.text_id == settings.text_id or not any(text_folder(folder).glob(f"[!.]*{SUFFIX}"))


def _file_digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"{folder} is empty. Download it: {DOWNLOAD_COMMAND}")
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
