"""Encoding the views of clips into a latent cache; intact views are skipped, and views that fail are reported and do not stop the others.

Each clip is locked by the process that works on it, so several commands can share a folder, for example one per GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch

from hoibench.clip import CLUSTERS, Clip
from hoibench.errors import Crash, is_disk_full
from hoibench.store import remove_temporary_files
from hoibench.store.atomic import WriteError
from hoibench.store.locks import locked
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache.latent_cache import find_view, read_view, write_view
from reference_model.cache.settings import views_folder
from reference_model.cycle.track_codec import Autoencoders
from reference_model.preparation.encode_view import encode_view, render_view
from reference_model.preparation.job import PreparationJob
from reference_model.preparation.view_groups import ViewGroup

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ViewResult:
    """The result of preparing one view of a clip.

    Attributes:
        clip, view: ids.
        status: ``created``; ``skipped`` if the cache has the view already; or ``failed``.
        reason: reason of a failure, else empty.
    """

    clip: str
    view: str
    status: Literal["created", "skipped", "failed"]
    reason: str = ""


def prepare_clips(job: PreparationJob, groups: Iterable[ViewGroup], on_result: Callable[[ViewResult], None]) -> None:
    """Render, encode and store the views of clips that a latent cache lacks.

    The autoencoders are loaded only if a view is missing.

    Args:
        job: the latent cache to fill.
        groups: the views to prepare, in groups; groups of the same clip are adjacent.
        on_result: called once for each view with its result.

    Raises:
        FileNotFoundError: an autoencoder is missing.
        ValueError: an autoencoder is damaged, or another process changed the cache's settings.
        OSError: the disk is full or the cache cannot be written; completed views are kept.
        Crash: the device is out of memory.
    """
    preparer = ClipPreparer(job, on_result)
    locked_clips = [each for each in group_by_clip(groups).items() if not preparer.prepare_clip(*each, wait=False)]
    for each in locked_clips:  # another process has them, or was killed meanwhile
        preparer.prepare_clip(*each, wait=True)


def group_by_clip(groups: Iterable[ViewGroup]) -> dict[str, tuple[ViewGroup, ...]]:
    """Return clip -> its groups; groups of the same clip are adjacent."""
    return {clip: tuple(members) for clip, members in groupby(groups, key=lambda group: group.clip)}


class _ClipError(Exception):
    """A clip or view cannot be prepared; the message says why.  Others may succeed."""


class ClipPreparer:
    """Preparation of clips one by one; the autoencoders are loaded when the first view needs them.

    Args:
        job: the latent cache to fill.
        on_result: called once for each view with its result.
    """

    def __init__(self, job: PreparationJob, on_result: Callable[[ViewResult], None]) -> None:
        self._job = job
        self._on_result = on_result
        self._autoencoders: Autoencoders | None = None

    def prepare_clip(self, clip: str, groups: Sequence[ViewGroup], *, wait: bool) -> bool:
        """Create the missing views of a clip; return False, having done nothing, if another process has locked the clip and ``wait`` is False."""
        views = [view for group in groups for view in group.views]
        intact = {view for view in views if self._is_intact(clip, view)}
        if len(intact) == len(views):
            for view in views:
                self._on_result(ViewResult(clip, view, "skipped"))
            return True
        folder = views_folder(self._job.folder) / clip
        with locked(folder / ".lock", wait=wait) as is_ours:
            if is_ours:
                for cluster in CLUSTERS:
                    remove_temporary_files(folder / cluster)
                for group in groups:
                    self._prepare_group(group, intact)
        return is_ours

    def _prepare_group(self, group: ViewGroup, intact: Collection[str]) -> None:
        # Checked again: another process may have created them before the clip was locked.
        missing = [view for view in group.views if view not in intact and not self._is_intact(group.clip, view)]
        for view in group.views:
            if view not in missing:
                self._on_result(ViewResult(group.clip, view, "skipped"))
        if not missing:
            return
        try:
            with _as_clip_error(group.clip):
                clip = group.load()
                if clip.prompt != group.prompt:  # only the group's prompt was embedded
                    raise ValueError(f"clip {clip.id} has the prompt {clip.prompt!r}, its split entry {group.prompt!r}")
        except _ClipError as error:
            for view in missing:
                self._on_result(ViewResult(group.clip, view, "failed", str(error)))
            return
        for view in missing:
            self._on_result(self._prepare_view(clip, view))

    def _prepare_view(self, clip: Clip, view: str) -> ViewResult:
        job, where = self._job, f"clip {clip.id}, view {view}"
        try:
            with _as_clip_error(where):
                rendered = render_view(clip, [each.id for each in clip.views].index(view), job.config)
            latents = encode_view(rendered, self._load_autoencoders(), job.dtype)
        except _ClipError as error:
            return ViewResult(clip.id, view, "failed", str(error))
        except torch.OutOfMemoryError as error:
            raise Crash(f"{job.device} is out of memory ({where}): lower --size; completed views are kept") from error
        job.check_settings()
        try:
            write_view(job.folder, job.settings, latents)
        except ValueError as error:  # NaN
            return ViewResult(clip.id, view, "failed", str(error))
        return ViewResult(clip.id, view, "created")

    def _is_intact(self, clip: str, view: str) -> bool:
        job = self._job
        try:
            cluster = find_view(job.folder, clip, view)
            return cluster is not None and bool(read_view(job.folder, job.settings, clip, cluster, view))
        except (CorruptFolder, FileNotFoundError):
            return False

    def _load_autoencoders(self) -> Autoencoders:
        if self._autoencoders is None:
            self._autoencoders = self._job.load_autoencoders()
        return self._autoencoders


@contextmanager
def _as_clip_error(where: str) -> Iterator[None]:
    """Raise ``_ClipError`` for any error in the ``with`` block, except errors that every other clip would meet: a full or read-only disk."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise _ClipError(" ".join(str(error).split())) from error
    except Exception as error:  # whatever a clip's files cause, the other clips continue
        if isinstance(error, WriteError) or is_disk_full(error):
            raise
        log.exception("cannot prepare %s", where)
        raise _ClipError(f"{type(error).__name__}: {error}") from error
