"""The clips of a latent cache: what is there and whole is kept, and broken clips are told and skipped.

A clip is held by the process that works on it, so several can be started side by side on one folder, one a GPU say: they share the clips.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor

from hoibench.clip import CLUSTERS, Array, Clip
from hoibench.errors import Crash, is_disk_full
from hoibench.store import remove_temporary_files
from hoibench.store.atomic import WriteError
from hoibench.store.locks import locked
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache.files import find_view, read_view, write_view
from reference_model.cache.metadata import views_folder
from reference_model.preparation.job import Job
from reference_model.preparation.shots import Shot
from reference_model.preparation.view import draw

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a view; ``reason`` is why it is broken."""

    clip: str
    view: str
    status: Literal["made", "kept", "broken"]
    reason: str = ""


def prepare_clips(job: Job, shots: Iterable[Shot], told: Callable[[Outcome], None]) -> None:
    """Encode what the cache lacks of the views of some shots, those of a clip in a row; ``told`` is told of each view once.

    The autoencoder is loaded only if a view is lacking.

    Raises:
        FileNotFoundError: the autoencoder is missing.
        ValueError: the autoencoder is broken, or the cache was claimed for something else meanwhile.
        OSError: the disk is full or the cache cannot be written; what was made is kept.
        Crash: the device's memory is full.
    """
    work = _Work(job, told)
    clips = [(clip, tuple(some)) for clip, some in groupby(shots, key=lambda shot: shot.clip)]
    taken = [each for each in clips if not work.on_clip(*each, wait=False)]
    for each in taken:  # by another process, which may have been killed since
        work.on_clip(*each, wait=True)


class _Broken(Exception):
    """A clip cannot be prepared, and the others can."""


class _Work:
    """One process's work on a cache, clip by clip."""

    def __init__(self, job: Job, told: Callable[[Outcome], None]) -> None:
        self._job = job
        self._told = told
        self._encode: Callable[[Array], Tensor] | None = None

    def on_clip(self, clip: str, shots: Sequence[Shot], *, wait: bool) -> bool:
        """Make what a clip lacks; false if another process is about it."""
        views = [view for shot in shots for view in shot.views]
        kept = {view for view in views if self._is_whole(clip, view)}
        if len(kept) == len(views):
            for view in views:
                self._told(Outcome(clip, view, "kept"))
            return True
        folder = views_folder(self._job.out) / clip
        with locked(folder / ".lock", wait=wait) as ours:
            if ours:
                for cluster in CLUSTERS:
                    remove_temporary_files(folder / cluster)
                for shot in shots:
                    self._on_shot(shot, kept)
        return ours

    def _on_shot(self, shot: Shot, kept: Collection[str]) -> None:
        # Asked again: another process may have made them before the clip was ours.
        missing = [view for view in shot.views if view not in kept and not self._is_whole(shot.clip, view)]
        for view in shot.views:
            if view not in missing:
                self._told(Outcome(shot.clip, view, "kept"))
        if not missing:
            return
        try:
            with _blamed(shot.clip):
                clip = shot.load()
                if (clip.prompt or "") != shot.prompt:
                    raise ValueError(f"its prompt is {clip.prompt!r}, that of its triplet {shot.prompt!r}")
        except _Broken as error:
            for view in missing:
                self._told(Outcome(shot.clip, view, "broken", str(error)))
            return
        for view in missing:
            self._told(self._on_view(clip, view))

    def _on_view(self, clip: Clip, view: str) -> Outcome:
        job, where = self._job, f"clip {clip.id}, view {view}"
        try:
            with _blamed(where):
                drawing = draw(clip, [each.id for each in clip.views].index(view), job.config)
            latents = drawing.encoded(self._encoder(), job.dtype)
        except _Broken as error:
            return Outcome(clip.id, view, "broken", str(error))
        except torch.OutOfMemoryError as error:
            raise Crash(f"the memory of {job.device} is full ({where}): lower --size; what was done is kept") from error
        job.check()
        try:
            write_view(job.out, job.origin, latents)
        except ValueError as error:  # NaN
            return Outcome(clip.id, view, "broken", str(error))
        return Outcome(clip.id, view, "made")

    def _is_whole(self, clip: str, view: str) -> bool:
        job = self._job
        try:
            cluster = find_view(job.out, clip, view)
            return cluster is not None and bool(read_view(job.out, job.origin, clip, cluster, view))
        except (CorruptFolder, FileNotFoundError):
            return False

    def _encoder(self) -> Callable[[Array], Tensor]:
        if self._encode is None:
            self._encode = _load_encoder(self._job)
        return self._encode


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Turn errors into ``_Broken``, but those that every other clip would meet, too: a disk that is full or closed to us."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise _Broken(" ".join(str(error).split())) from error
    except Exception as error:  # whatever a stranger's file brings about, the other clips go on
        if isinstance(error, WriteError) or is_disk_full(error):
            raise
        log.exception("%s cannot be prepared", what)
        raise _Broken(f"{type(error).__name__}: {error}") from error


def _load_encoder(job: Job) -> Callable[[Array], Tensor]:
    """E, (N, H, W, 3) -> (C, n, h, w)."""
    from reference_model.loading.autoencoder import (  # here, since diffusers takes seconds and is often not needed
        VideoCoder,
        load_vae,
    )

    return VideoCoder(load_vae(job.wan).to(job.device)).encode
