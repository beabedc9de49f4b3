"""What of a cache cannot be trained on, found before training starts: drawn by chance, it would end the training after days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from hoibench.store.sealed_folder import CorruptFolder
from reference_model.cache import LatentCache
from reference_model.cache.files import Glance

MOST_TOLD = 10
"""Views that an error names."""


def refuse_unusable(cache: LatentCache, clips: Iterable[str]) -> None:
    """Look at every view of some clips, of each a few kilobytes.

    Raises:
        ValueError: a view is damaged, has no camera or a moving one, or sees no point, or its prompt or the empty one has no embedding; lists views.
    """
    if not cache.has_text(""):
        raise ValueError(f"{cache.folder} has no text of the empty prompt: run python -m reference_model.prepare again")
    views = [(clip, view.id) for clip in clips for view in cache.views(clip)]
    told = list(_faults(cache, views))
    if told:
        more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        raise ValueError(
            f"{cache.folder}: {len(told)} of {len(views)} views cannot be trained on: {'; '.join(told[:MOST_TOLD])}{more}."
            " Delete their files in views/CLIP/CLUSTER, or run python -m reference_model.prepare again where it can mend them"
        )


def _faults(cache: LatentCache, views: Iterable[tuple[str, str]]) -> Iterator[str]:
    has_text = lru_cache(maxsize=None)(cache.has_text)
    for clip, view in views:
        try:
            seen = cache.glance(clip, view)
        except CorruptFolder as error:
            yield str(error)
            continue
        fault = _fault(seen) or ("" if has_text(seen.prompt) else f"has no text of its prompt {seen.prompt!r}")
        if fault:
            yield f"clip {clip}, view {view} {fault}"


def _fault(view: Glance) -> str:
    if view.R.ndim == 3:
        return "has a moving camera, where the model takes fixed ones"
    if not (view.K[0, 0] > 0 and view.K[1, 1] > 0 and view.R.det() > 0):
        return f"has no camera (K {view.K.tolist()}, R {view.R.tolist()})"
    return "" if view.sees else "sees none of its points in any frame"
