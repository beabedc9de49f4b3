"""Clips longer than their recording: frames that repeat the last recorded one are not scored."""

from dataclasses import replace

import numpy as np
import pytest

import hoibench
from hoibench.clip import Tracks
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.reference_predictions import build_reference
from hoibench.evaluation.scored_clip import trim_clip
from hoibench.predictions import trim_prediction

pytestmark = pytest.mark.usefixtures("toy")
METRICS = ["rpe", "chamfer", "smoothness", "dynamic_degree_px/dis"]


def until(clip, n):
    """The clip as recorded for ``n`` frames alone."""
    t = clip.tracks
    return replace(
        clip, frames=n, tracks=Tracks(t.world[:n], t.visible[:, :n], t.part), load_video=lambda: clip.video[:, :n]
    )


def padded(clip, n):
    """The clip as if only ``n`` frames had been recorded, filled up with the last of them."""
    frames = np.minimum(np.arange(clip.frames), n - 1)
    t = clip.tracks
    return replace(
        clip,
        tracks=Tracks(t.world[frames], t.visible[:, frames], t.part),
        load_video=lambda: clip.video[:, frames],
        valid_frames=n,
    )


@pytest.fixture
def clip():
    dataset = open_dataset("toy", None)
    return dataset.load(dataset.manifest("demo").entries[0])


def values(rows):
    return {(row.metric, row.region, row.view, row.pair, row.part): (row.value, row.n_expected) for row in rows}


def test_a_padded_clip_scores_as_its_recorded_frames_do(clip):
    n = clip.frames - 2
    short, whole = until(clip, n), padded(clip, n)
    noisy = build_reference("gt_noise_1cm", clip, seed=0)
    wild = noisy.tracks.copy()
    wild[:, n:] += 1000.0  # after the recording's end a method may do what it likes
    expected = hoibench.score(trim_prediction(noisy, n), short, METRICS)
    found = hoibench.score(replace(noisy, tracks=wild), whole, METRICS)
    assert values(found) == values(expected)
    assert values(hoibench.score(replace(noisy, tracks=wild), clip, METRICS)) != values(expected)


def test_a_fully_recorded_clip_is_not_changed(clip):
    assert trim_clip(clip) is clip
    whole = replace(clip, valid_frames=clip.frames)
    assert trim_clip(whole) is whole


@pytest.mark.parametrize("n", [0, 99])
def test_valid_frames_must_be_within_the_clip(clip, n):
    with pytest.raises(ValueError, match=f"valid_frames is {n}, expected 1 to {clip.frames}"):
        replace(clip, valid_frames=n)
