"""The prompts of a latent cache, embedded once each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence

import torch

from hoibench.store import remove_temporary_files
from hoibench.store.locks import locked
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache.files import read_text, write_text
from reference_model.cache.metadata import text_folder
from reference_model.preparation.job import Job


def prepare_text(job: Job, prompts: Iterable[str], told: Callable[[int, int], None]) -> tuple[int, int]:
    """Embed those of some prompts that the cache lacks; how many it made, and how many were there.  ``told`` is told how many of how many are done.

    The text encoder is loaded only if one is lacking, and is gone on return: it is too large to be held beside the autoencoder.

    Raises:
        FileNotFoundError: the text encoder is missing.
        ValueError: a prompt is too long, its embedding holds NaN, the text encoder is broken, or the cache was claimed for something else meanwhile.
        OSError: the disk is full or the cache cannot be written; what was embedded is kept.
    """
    wanted = sorted(set(prompts))
    missing = _missing(job, wanted)
    if missing:
        with locked(text_folder(job.out) / ".lock", wait=True):
            remove_temporary_files(text_folder(job.out))
            missing = _missing(job, missing)  # asked again: another process may have been faster
            _embed(job, missing, told)
        gc.collect()
        if job.device == "cuda":
            torch.cuda.empty_cache()
    return len(missing), len(wanted) - len(missing)


def _missing(job: Job, prompts: Sequence[str]) -> list[str]:
    return [prompt for prompt in prompts if not _is_whole(job, prompt)]


def _is_whole(job: Job, prompt: str) -> bool:
    try:
        read_text(job.out, job.origin, prompt)
    except (CorruptFolder, FileNotFoundError):
        return False
    return True


def _embed(job: Job, prompts: Sequence[str], told: Callable[[int, int], None]) -> None:
    if not prompts:
        return
    from reference_model.loading.text_encoder import (
        load_text_encoder,  # here, since transformers takes seconds and is often not needed
    )

    encoder = load_text_encoder(job.wan, device=job.device)
    for done, prompt in enumerate(prompts):
        told(done, len(prompts))
        embedding = encoder.embed([prompt], job.origin.text[0])[0]
        job.check()
        write_text(job.out, job.origin, prompt, embedding.to("cpu", job.dtype))
