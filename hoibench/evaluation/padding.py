"""Clips that are longer than their recording: what the recording does not have is not scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hoibench.clip import Array, Clip, Prediction, Tracks


def trim_clip(clip: Clip) -> Clip:
    """The clip's frames that were recorded: the clip itself, but for one of ``--short pad``."""
    n = clip.valid_frames
    if n is None or n == clip.frames:
        return clip
    video, masks, sources = clip.load_video, clip.load_masks, clip.load_source_videos
    return replace(
        clip,
        frames=n,
        valid_frames=None,
        tracks=None if clip.tracks is None else _first_of_tracks(clip.tracks, n),
        load_video=None if video is None else lambda: video()[:, :n],
        load_source_videos=None if sources is None else lambda: tuple(source[:n] for source in sources()),
        load_masks=None if masks is None else lambda: masks()[:, :n],
    )


def trim_prediction(prediction: Prediction, n: int) -> Prediction:
    """The first ``n`` frames of a prediction whose video, if it has one, is decoded."""
    if isinstance(prediction.video, tuple):
        raise TypeError("the prediction's video is not decoded: use hoibench.predictions.decode_prediction first")
    return replace(
        prediction,
        video=_until(prediction.video, n),
        tracks=_until(prediction.tracks, n),
        valid=_until(prediction.valid, n),
        points=_until(prediction.points, n),
        masks=_until(prediction.masks, n),
    )


def _until(array: Array | None, n: int) -> Array | None:
    return None if array is None else array[:, :n]


def _first_of_tracks(tracks: Tracks, n: int) -> Tracks:
    recorded = None if tracks.recorded is None else tracks.recorded[:n]
    return Tracks(np.ascontiguousarray(tracks.world[:n]), tracks.visible[:, :n], tracks.part, recorded)
