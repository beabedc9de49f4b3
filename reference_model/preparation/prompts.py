"""Text embeddings of prompts, written to a latent cache."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence

import torch

from hoibench.store import remove_temporary_files
from hoibench.store.locks import locked
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache.latent_cache import read_text, write_text
from reference_model.cache.settings import text_folder
from reference_model.preparation.job import PreparationJob


def prepare_text(
    job: PreparationJob, prompts: Iterable[str], on_progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Embed and store the prompts that a latent cache lacks.

    The text encoder is loaded only if an embedding is missing, and released on return: it does not fit next to the autoencoder.

    Args:
        job: the latent cache to fill.
        prompts: the prompts that the cache must have; they may repeat.
        on_progress: called with (done, total), the number of embedded and of all missing prompts.

    Returns:
        The number of prompts that were embedded, and the number that the cache had already.

    Raises:
        FileNotFoundError: the text encoder is missing.
        ValueError: a prompt is too long, its embedding contains NaN, the text encoder is damaged, or another process changed the cache's settings.
        OSError: the disk is full or the cache cannot be written; completed embeddings are kept.
    """
    prompts = sorted(set(prompts))
    missing = _find_missing(job, prompts)
    if missing:
        with locked(text_folder(job.folder) / ".lock", wait=True):
            remove_temporary_files(text_folder(job.folder))
            missing = _find_missing(job, missing)  # again: another process may have embedded some
            _embed(job, missing, on_progress)
        gc.collect()
        if job.device == "cuda":
            torch.cuda.empty_cache()
    return len(missing), len(prompts) - len(missing)


def _find_missing(job: PreparationJob, prompts: Sequence[str]) -> list[str]:
    return [prompt for prompt in prompts if not _is_intact(job, prompt)]


def _is_intact(job: PreparationJob, prompt: str) -> bool:
    try:
        read_text(job.folder, job.settings, prompt)
    except (CorruptFolder, FileNotFoundError):
        return False
    return True


def _embed(job: PreparationJob, prompts: Sequence[str], on_progress: Callable[[int, int], None]) -> None:
    if not prompts:
        return
    # transformers takes seconds to import and is often not needed
    from reference_model.loading.text_encoder import load_text_encoder

    encoder = load_text_encoder(job.parts, device=job.device)
    for done, prompt in enumerate(prompts):
        on_progress(done, len(prompts))
        embedding = encoder.embed([prompt], job.settings.text_shape[0])[0]
        job.check_settings()
        write_text(job.folder, job.settings, prompt, embedding.to("cpu", job.dtype))
