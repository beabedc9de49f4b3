"""Epipolar error and share: the distances of raw matches from the lines of the known cameras."""

import numpy as np
import pytest

from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.epipolar_error import (
    epipolar_error,
    largest_error,
    measure_error,
    measure_share,
)
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.view_matches import match_views


def headlines(rows):
    return {row.region: row for row in rows if row.pair is None}


def test_rows_are_pairs_then_the_clip(build_case, build_scene):
    video, masks, cameras = build_scene()
    case = build_case(video, masks=masks, cameras=cameras)
    error, share = list(measure_error(case, "sift-mnn")), list(measure_share(case, "sift-mnn"))
    pairs = ["view-0|view-1", "view-0|view-2", "view-1|view-2"]
    for rows in (error, share):
        assert [(row.region, row.pair) for row in rows] == [(r, p) for r in ("full", "fg") for p in (*pairs, None)]
    found = [np.concatenate(pair.distances(cameras)) for pair in match_views(video, Sift())]
    assert [row.value for row in error[:3]] == [pytest.approx(np.median(d)) for d in found]
    every = np.concatenate(found)
    assert error[3].value == pytest.approx(np.median(every)) == epipolar_error(video, cameras, Sift())
    assert share[3].value == pytest.approx(np.mean(every <= 2)) == share[3].details["share_2px"]
    assert error[7].value == epipolar_error(video, cameras, Sift(), masks)
    details = error[3].details
    assert (details["matches"], details["first_frame"], details["stride"]) == (len(every), 4, 4)
    assert [details[f"share_{n}px"] for n in (1, 2, 4)] == [np.mean(every <= n) for n in (1, 2, 4)]


def test_the_true_video_has_small_errors_and_a_copied_view_large_ones(build_case, build_scene):
    video, _, cameras = build_scene(frames=5)
    copied = np.repeat(video[:1], 3, axis=0)
    true, wrong = (
        headlines(measure_error(build_case(v, cameras=cameras), "sift-mnn"))["full"] for v in (video, copied)
    )
    assert true.value < 0.3 and wrong.value > 5
    true, wrong = (
        headlines(measure_share(build_case(v, cameras=cameras), "sift-mnn"))["full"] for v in (video, copied)
    )
    assert true.value > 0.95 and wrong.value < 0.25


def test_a_distance_is_at_most_ten_percent_of_the_diagonal(build_case, build_scene, fixed_matcher):
    _, _, cameras = build_scene(frames=5)
    video = np.zeros((2, 5, 128, 192, 3), np.uint8)
    video[1, :, 0, 0, 0] = 1
    points = np.random.default_rng(0).uniform((0, 0), (191, 127), (2, 60, 2))
    points[1] = points[1][:, ::-1] * 3
    row = headlines(measure_error(build_case(video, cameras=cameras), fixed_matcher(*points).name))["full"]
    assert row.value == row.cap == largest_error((128, 192)) == pytest.approx(0.1 * np.hypot(128, 192))


@pytest.mark.parametrize(("matches", "status"), [(29, "undefined"), (30, "ok")])
def test_a_value_needs_thirty_matches(build_case, build_scene, fixed_matcher, matches, status):
    _, _, cameras = build_scene(frames=5)
    video = np.zeros((2, 5, 128, 192, 3), np.uint8)
    video[1, :, 0, 0, 0] = 1
    points = np.random.default_rng(0).uniform((0, 0), (191, 127), (2, matches, 2))
    case, matcher = build_case(video, cameras=cameras), fixed_matcher(*points)
    error, share = (headlines(measure(case, matcher.name))["full"] for measure in (measure_error, measure_share))
    assert error.status == share.status == status
    assert (error.cap, share.cap) == (largest_error((128, 192)), None)
    assert (epipolar_error(video, cameras, matcher) is None) == (status == "undefined")


def test_a_pair_without_matches_has_no_value(build_case, build_scene):
    video, _, cameras = build_scene(frames=5)
    video[2] = 127
    rows = list(measure_error(build_case(video, cameras=cameras), "sift-mnn"))
    assert [row.status for row in rows] == ["ok", "undefined", "undefined", "ok"]
    assert rows[3].value == rows[0].value


def test_cameras_must_be_known(build_case, build_video):
    with pytest.raises(NotApplicable, match="no cameras"):
        list(measure_error(build_case(build_video()[0]), "sift-mnn"))


@pytest.mark.field
def test_aliked_errors_of_true_views_are_small(build_case, build_scene, field_data):
    video, _, cameras = build_scene(frames=5)
    case = build_case(video[:2], cameras=cameras[:2], weights=field_data / "aliked")
    error, share = (
        headlines(measure_error(case, "aliked-mnn"))["full"],
        headlines(measure_share(case, "aliked-mnn"))["full"],
    )
    assert error.value < 1 and share.value > 0.8
    assert set(error.weights) == {"aliked-n16"}
