"""The parts that a small model has instead of Wan's: an autoencoder and a text table, made once in the folder of its latent cache.

They have the layout of a Wan checkpoint (vae/, text_encoder/, tokenizer/), so that all later steps take either; training copies them to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.taco.protocol import build_prompt
from hoibench.store.atomic import ensure_folder, new_folder
from reference_model.cache.settings import SETTINGS_FILE, has_parts, parts_folder, read_settings
from reference_model.config import SyncMV4DConfig

UNKNOWN = "<unk>"
"""Token of all words that a text table does not have."""

_SEED = 0
_CALIBRATION_SIZE = 9, 8, 12
"""Frames, height and width of the random colours that are enlarged to a video, over which the latents of a random autoencoder are normalized."""


def ensure_own_parts(cache: Path, config: SyncMV4DConfig) -> Path:
    """Return the folder of the model's own parts in a latent cache, and make the parts if they are missing; safe with several processes.

    If the cache has settings, parts that are not those of its settings, because a file is missing or damaged, are made again.

    Raises:
        ValueError: the model uses Wan's parts, or the cache was prepared with other parts, for example a Wan checkpoint's.
        WriteError: the folder cannot be written, or the disk is full.
    """
    if config.parts not in _WRITERS:
        raise ValueError(f"the model has parts = {config.parts!r}, which are not made: give --wan")
    folder, write = parts_folder(cache), _WRITERS[config.parts]
    if not (cache / SETTINGS_FILE).is_file():
        ensure_folder(folder, lambda new: write(new, config))
        return folder
    settings = read_settings(cache)
    if not has_parts(folder, settings):
        with new_folder(folder, keep_existing=lambda: has_parts(folder, settings)) as new:
            write(new, config)
            if not has_parts(new, settings):
                raise ValueError(
                    f"{cache} was prepared with other parts than this model makes: give the --wan that it was prepared with,"
                    f" or if none, restore {folder} (a model trained on the cache has a copy), or prepare another cache"
                )
    return folder


def write_random_parts(folder: Path, config: SyncMV4DConfig) -> None:
    """Write an autoencoder and a text table with random weights, equal in each call, to a folder.

    The autoencoder has the sizes of ``config.vae``; its latents of random colours have mean 0 and standard deviation 1 per channel.  The table has a
    vector for each word of the synthetic clips' prompts.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        _write_autoencoder(folder / "vae", config)
        words = {word for triplet in catalogue().triplets for word in build_prompt(triplet).lower().split()}
        _write_text_table(folder, sorted(words), config.mjd.text_dim)


_WRITERS: Mapping[str, Callable[[Path, SyncMV4DConfig], None]] = {"random": write_random_parts}
"""Functions that write the parts of a model to a new folder, by ``SyncMV4DConfig.parts``."""


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


def _write_text_table(folder: Path, words: Iterable[str], channels: int) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from reference_model.loading.text_table import TextTable

    vocabulary = {word: index for index, word in enumerate((UNKNOWN, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN).save_pretrained(folder / "tokenizer")
    TextTable(len(vocabulary), channels).save_pretrained(folder / "text_encoder")
