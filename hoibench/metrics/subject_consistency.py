"""subject_consistency: how alike the frames of a video look to an image encoder (VBench:vbench/subject_consistency.py).

Formula:    subject_consistency = mean_v mean_i (max(0, cos(f_i, f_i-1)) + max(0, cos(f_i, f_0))) / 2, over frames i >= 1; f: feature of a frame.
Regions:    full frame; fg: pixels outside the frame's mask are grey, and frames without foreground are left out, as if they were not in the video.
Card:       cards/video.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hoibench.clip import Array, check_mask, check_pixels
from hoibench.metrics.backbones.encoders import Encoder, encode_video, load_encoder, row_columns
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.regions import region_masks

TOO_FEW = "fewer than two frames show the region; a frame is compared with an earlier one"


def consistency_scores(features: Array) -> Array:
    """Return (n - 1,) scores, 0 to 1, of the frames but the first, by VBench's rule, given the (n, d) features of length 1 of n frames.

    >>> consistency_scores(np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])).round(9).tolist()
    [0.0, 0.7]
    """
    exact = features.astype(np.float64)
    to_previous, to_first = (exact[1:] * exact[:-1]).sum(axis=1), exact[1:] @ exact[0]
    scores: Array = (np.maximum(to_previous, 0.0) + np.maximum(to_first, 0.0)) / 2.0
    return scores


def subject_consistency(frames: Array, encoder: Encoder, masks: Array | None = None) -> float:
    """Return how alike the frames of a video of one view look to an encoder: 0 to 1, and 1 if they are equal.

    Args:
        frames: (N, H, W, 3) uint8.
        encoder: describes images, e.g. DINO, from ``load_dino``.
        masks: (N, H, W) bool; pixels outside are painted grey, and frames without a pixel inside are left out.

    Raises:
        Undefined: fewer than two frames are left.
        ValueError: ``frames`` or ``masks`` has another shape or dtype.

    >>> class MeanColour:
    ...     name, weights = "mean colour", {}
    ...     def encode(self, images):
    ...         colours = np.array([image.mean(axis=(0, 1)) for image in images])
    ...         return colours / np.linalg.norm(colours, axis=1, keepdims=True)
    >>> red, green = (np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0)))
    >>> subject_consistency(np.stack([red, red, green]), MeanColour())
    0.5
    """
    check_pixels("frames", frames, ("N", "H", "W", 3))
    if masks is not None:
        check_mask("masks", masks, frames.shape[:3])
    features, is_seen = encode_video(frames[None], encoder, None if masks is None else masks[None])
    if is_seen.sum() < 2:
        raise Undefined(TOO_FEW)
    return float(consistency_scores(features[is_seen]).mean())


def measure_subject_consistency(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of subject_consistency/vbench@1 (no unit; higher is better; 0 to 1): frames, views, then the mean of views."""
    if case.video.shape[1] < 2:
        raise Undefined("the clip has one frame; a frame is compared with an earlier one")
    encoder = load_encoder("dino-vitb16", case)
    for region, masks in region_masks(case):
        columns = row_columns(encoder, region)
        features, is_seen = encode_video(case.video, encoder, masks, case.batch, case.case_memo)
        values = []
        for v, view in enumerate(case.clip.views):
            frames = np.flatnonzero(is_seen[v])
            if len(frames) < 2:
                yield Measurement(
                    None, "undefined", TOO_FEW, view=view.id, n_scored=0, n_expected=len(is_seen[v]) - 1, **columns
                )
                continue
            scores = consistency_scores(features[v, frames])
            for n, score in zip(frames[1:], scores, strict=True):
                yield Measurement(float(score), view=view.id, frame=int(n), **columns)
            values.append(float(scores.mean()))
            yield Measurement(values[-1], view=view.id, n_scored=len(scores), n_expected=len(is_seen[v]) - 1, **columns)
        counts: dict[str, Any] = {"n_scored": len(values), "n_expected": len(is_seen)}
        if values:
            yield Measurement(float(np.mean(values)), **counts, **columns)
        else:
            yield Measurement(None, "undefined", TOO_FEW, **counts, **columns)
