"""The parts that a small model has instead of Wan's: an autoencoder and a text table, made once in the folder of its latent cache.

They have the layout of a Wan checkpoint (vae/, text_encoder/, tokenizer/), so that all later steps take either; training copies them to the model.
"""

from __future__ import annotations

from pathlib import Path

from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.taco.protocol import build_prompt
from hoibench.store.atomic import new_folder
from hoibench.store.locks import locked
from reference_model.cache.settings import SETTINGS_FILE, has_parts, parts_folder, read_settings
from reference_model.config import SyncMV4DConfig
from reference_model.preparation.fitted_parts import FittingData, write_fitted_parts

_SEED = 0
_CALIBRATION_SIZE = 9, 8, 12
"""Frames, height and width of the random colours that are enlarged to a video, over which the latents of a random autoencoder are normalized."""


def ensure_own_parts(cache: Path, config: SyncMV4DConfig, data: FittingData | None = None) -> Path:
    """Return the folder of the model's own parts in a latent cache, and make the parts if they are missing.

    With several processes, one makes the parts and the others wait.  If the cache has settings, parts that are not those of its settings, because a
    file is missing or damaged, are made again.

    Args:
        cache: folder of the cache.
        config: configuration of the model.
        data: the clips that ``fitted`` parts are fitted to; without it they are not made.

    Raises:
        ValueError: the model uses Wan's parts, the cache was prepared with other parts, for example a Wan checkpoint's, or ``fitted`` parts are
            missing and there are no clips to fit them to.
        WriteError: the folder cannot be written, or the disk is full.
    """
    if config.parts == "wan":
        raise ValueError("the model has parts = 'wan', which are not made: give --wan")
    folder = parts_folder(cache)
    if _is_intact(cache):
        return folder
    if config.parts == "fitted" and data is None:
        raise ValueError(
            f"{folder} is missing or damaged, and is fitted to clips: run python -m reference_model.prepare again for this cache,"
            " or if it was prepared with the parts of another, give them by --wan FOLDER --initial random"
        )
    with locked(cache / ".parts.lock", wait=True):
        if not _is_intact(cache):
            with new_folder(folder, keep_existing=lambda: _is_intact(cache)) as new:
                _write(new, config, data)
                if (cache / SETTINGS_FILE).is_file() and not has_parts(new, read_settings(cache)):
                    raise ValueError(
                        f"{cache} was prepared with other parts than this model makes: give the --wan that it was prepared with,"
                        f" or if none, restore {folder} (a model trained on the cache has a copy), or prepare another cache"
                    )
    return folder


def _is_intact(cache: Path) -> bool:
    """Return whether a cache has the model's own parts, with the contents of its settings if it has any."""
    folder = parts_folder(cache)
    return has_parts(folder, read_settings(cache)) if (cache / SETTINGS_FILE).is_file() else folder.is_dir()


def _write(folder: Path, config: SyncMV4DConfig, data: FittingData | None) -> None:
    if config.parts == "random":
        write_random_parts(folder, config)
    else:
        assert data is not None, "checked by the caller"
        write_fitted_parts(folder, config, data)


def write_random_parts(folder: Path, config: SyncMV4DConfig) -> None:
    """Write an autoencoder and a text table with random weights, equal in each call, to a folder.

    The autoencoder has the sizes of ``config.vae``; its latents of random colours have mean 0 and standard deviation 1 per channel.  The table has a
    vector for each word of the synthetic clips' prompts.
    """
    import torch

    from reference_model.loading.text_table import TextTable, prompt_words, save_text_encoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        _write_autoencoder(folder / "vae", config)
        words = prompt_words(map(build_prompt, catalogue().triplets))
        save_text_encoder(folder, words, TextTable(len(words) + 1, config.mjd.text_dim))


def _write_autoencoder(folder: Path, config: SyncMV4DConfig) -> None:
    import torch
    from torch.nn.functional import interpolate

    from reference_model.loading.autoencoder import build_vae

    vae = build_vae(config).eval()
    frames, *size = _CALIBRATION_SIZE
    r_n, r_h, r_w = config.vae.stride
    colours = torch.rand(1, 3, frames, *size)
    video = interpolate(colours, (2 * r_n + 1, 4 * r_h, 6 * r_w), mode="trilinear")
    with torch.no_grad():
        z = vae.encode(video * 2 - 1).latent_dist.mode()[0].flatten(1)
    vae.register_to_config(latents_mean=z.mean(1).tolist(), latents_std=z.std(1).tolist())
    vae.save_pretrained(folder)
