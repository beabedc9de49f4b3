"""clip_views: how alike the views of a moment look to CLIP.

Formula:    clip_views = 100 mean over frames and pairs of views (i, j) of cos(f_i, f_j); f: projected image embedding of a view's frame.
Regions:    full frame; fg: pixels outside the frame's mask are grey, and a pair of frames of which one has no foreground is left out.
Encoders:   ``backbones.clip_encoder``; values of different models must not be compared.
Card:       cards/video_across_views.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from hoibench.clip import Array, check_mask, check_pixels
from hoibench.metrics.backbones.encoders import Encoder, encode_video, load_encoder, row_columns
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, NotApplicable, Undefined
from hoibench.metrics.regions import region_masks

ONE_VIEW = "the clip has only one view, so there is no pair of views to compare"
NO_PAIR = "no pair of views shows the region at the same moment"


def view_similarity(features: Array, is_seen: Array) -> Array:
    """Return the similarity of each pair of views in each frame, 100 cos: (pairs, N) float64, NaN where one of the two is not seen.

    Args:
        features: (V, N, d) of length 1.
        is_seen: (V, N) bool.
    """
    exact = features.astype(np.float64)
    rows = [
        np.where(is_seen[i] & is_seen[j], 100.0 * (exact[i] * exact[j]).sum(axis=1), np.nan)
        for i, j in combinations(range(len(features)), 2)
    ]
    return np.array(rows)


def clip_views(video: Array, encoder: Encoder, masks: Array | None = None) -> float:
    """Return how alike the views look to an encoder: 100 times the mean cosine over frames and pairs of views.

    Args:
        video: (V, N, H, W, 3) uint8, V at least 2.
        encoder: describes images, e.g. from ``load_clip_encoder``.
        masks: (V, N, H, W) bool; pixels outside are painted grey, and frames without a pixel inside are left out.

    Raises:
        NotApplicable: there is one view only.
        Undefined: no two views have a pixel inside the masks of the same frame.
        ValueError: ``video`` or ``masks`` has another shape or dtype.

    >>> class MeanColour:
    ...     name, weights = "mean colour", {}
    ...     def encode(self, images):
    ...         colours = np.array([image.mean(axis=(0, 1)) for image in images])
    ...         return colours / np.linalg.norm(colours, axis=1, keepdims=True)
    >>> red, green = (np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0)))
    >>> clip_views(np.array([[red, red], [red, green]]), MeanColour())  # two views, two frames
    50.0
    """
    check_pixels("video", video, ("V", "N", "H", "W", 3))
    if masks is not None:
        check_mask("masks", masks, video.shape[:4])
    if len(video) < 2:
        raise NotApplicable(ONE_VIEW)
    similarity = view_similarity(*encode_video(video, encoder, masks))
    if np.isnan(similarity).all():
        raise Undefined(NO_PAIR)
    return float(np.nanmean(similarity))


def measure_clip_views(case: Case, encoder: str) -> Iterator[Measurement]:
    """Yield the measurements of clip_views/{encoder}@1 (no unit; higher is better; -100 to 100): frames, then pairs of views, then the clip's."""
    if len(case.video) < 2:
        raise NotApplicable(ONE_VIEW)
    loaded = load_encoder(encoder, case)
    ids = [view.id for view in case.clip.views]
    for region, masks in region_masks(case):
        columns = row_columns(loaded, region)
        similarity = view_similarity(*encode_video(case.video, loaded, masks, case.batch, case.case_memo))
        for n, values in enumerate(similarity.T):
            yield _mean(values, frame=n, **columns)
        for (i, j), values in zip(combinations(ids, 2), similarity, strict=True):
            yield _mean(values, pair=f"{i}|{j}", **columns)
        yield _mean(similarity, **columns)


def _mean(values: Array, **columns: Any) -> Measurement:
    """Return the mean of the values that are not NaN; undefined without any."""
    known = values[~np.isnan(values)]
    counts: dict[str, Any] = {"n_scored": known.size, "n_expected": values.size}
    if not known.size:
        return Measurement(None, "undefined", NO_PAIR, **counts, **columns)
    return Measurement(float(known.mean()), **counts, **columns)
