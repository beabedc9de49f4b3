"""Matches between views: frames, pairs, masks, and the memo."""

import cv2
import numpy as np
import pytest

from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.epipolar import epipolar_threshold
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.view_matches import is_on_mask, match_views


class Counting(Sift):
    """SIFT that counts its calls."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "described", 0)
        object.__setattr__(self, "matched", 0)

    def describe(self, image):
        object.__setattr__(self, "described", self.described + 1)
        return super().describe(image)

    def match(self, a, b):
        object.__setattr__(self, "matched", self.matched + 1)
        return super().match(a, b)


class Fixed:
    """A matcher with given points; point k matches point k."""

    name, weights = "fixed", {}

    def __init__(self, points):
        self.points = np.array(points, np.float32)

    def describe(self, image):
        return Features(self.points + float(image[0, 0, 0]), np.zeros((len(self.points), 1), np.float32))

    def match(self, a, b):
        return np.stack([np.arange(len(a.points))] * 2, axis=1)


def test_every_pair_of_views_is_matched_on_every_fourth_frame(build_video):
    pairs = match_views(build_video(frames=9)[0], Sift())
    assert [pair.views for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert {pair.frames for pair in pairs} == {(0, 4, 8)}
    assert all(len(pair.counts) == len(pair.raw) == 3 for pair in pairs)


def test_13_of_49_frames_are_matched():
    blank = np.zeros((2, 49, 8, 8, 3), np.uint8)
    (pair,) = match_views(blank, Fixed([]))
    assert pair.frames == tuple(range(0, 49, 4))
    assert len(pair.frames) == 13


def test_inliers_follow_the_parallax(build_video):
    (pair,) = match_views(build_video(views=2)[0], Sift())
    for match in pair.matches:
        assert match.inlier.sum() > 50
        moved = (match.a - match.b)[match.inlier]
        assert np.abs(moved[:, 1]).max() < 1.5  # epipolar lines are rows
        assert np.mean(np.min(np.abs(moved[:, :1] - [3, 9]), axis=1) < 0.5) > 0.95  # background or foreground parallax


def test_counts_equal_a_plain_pipeline(build_video):
    video = build_video(views=2, frames=1)[0]
    (pair,) = match_views(video, Sift())
    sift, brute = cv2.SIFT.create(), cv2.BFMatcher()
    points, descriptors = zip(
        *(sift.detectAndCompute(cv2.cvtColor(v[0], cv2.COLOR_RGB2GRAY), None) for v in video), strict=True
    )
    clear = [
        {(m.queryIdx, m.trainIdx) for m, n in brute.knnMatch(one, other, k=2) if m.distance < 0.8 * n.distance}
        for one, other in (descriptors, descriptors[::-1])
    ]
    both = sorted(clear[0] & {(i, j) for j, i in clear[1]})
    a, b = (np.array([points[k][match[k]].pt for match in both], np.float32) for k in (0, 1))
    _, kept = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, epipolar_threshold((128, 192)), 0.9999, 10_000)
    assert pair.raw == (len(both),)
    assert pair.counts == (int(kept.sum()),)


def test_fewer_than_eight_matches_count_as_zero():
    video = np.zeros((2, 1, 64, 64, 3), np.uint8)
    video[1] = 9  # Fixed shifts the points of the second view by 9 px
    points = np.random.default_rng(0).uniform(0, 50, (8, 2))
    for n in (7, 8):
        (pair,) = match_views(video, Fixed(points[:n]))
        assert pair.raw == (n,)
        assert (pair.counts[0] > 0) == (n == 8)


def test_both_ends_must_be_inside_the_mask():
    video = np.zeros((2, 1, 40, 60, 3), np.uint8)
    masks = np.zeros((2, 1, 40, 60), bool)
    masks[0, 0, :, :30] = masks[1, 0, :20] = True
    quarters = [(10, 5), (50, 5), (10, 35), (50, 35)]
    (pair,) = match_views(video, Fixed(quarters), masks)
    assert pair.matches[0].a.tolist() == [[10 + 0, 5 + 0]]


def test_points_at_the_border_belong_to_the_nearest_pixel():
    mask = np.zeros((4, 6), bool)
    mask[3, 5] = True
    points = np.array([[5.4, 3.4], [4.5, 2.5], [4.49, 3.0], [5.7, 3.9]], np.float32)
    assert is_on_mask(mask, points).tolist() == [True, True, False, True]
    assert is_on_mask(None, points).all()


def test_equal_frames_are_computed_once(build_video):
    video = build_video()[0].copy()
    video[:] = video[:, :1]
    matcher = Counting()
    pairs = match_views(video, matcher)
    assert (matcher.described, matcher.matched) == (3, 3)
    assert {len(set(pair.counts)) for pair in pairs} == {1}


def test_the_memo_does_not_change_the_matches(build_video):
    video, masks = build_video(seed=3)
    alone = [pair.counts for pair in match_views(video, Sift())]
    matcher, memo = Counting(), {}
    match_views(video, matcher, masks, memo=memo)
    match_views(video[::-1], matcher, memo=memo)
    described = matcher.described
    assert [pair.counts for pair in match_views(video, matcher, memo=memo)] == alone
    assert matcher.described == described  # the reversed views had the same frames


def test_one_view_is_not_applicable(build_video):
    with pytest.raises(NotApplicable, match="only one view"):
        match_views(build_video(views=1)[0], Sift())


def test_matchers_do_not_share_features_in_the_memo(fixed_matcher):
    video = np.zeros((2, 1, 64, 64, 3), np.uint8)
    video[1] = 1
    near, far = ([(x, y + offset) for x in (5, 25, 45) for y in (0, 10, 20)] for offset in (0, 30))
    one, other, memo = fixed_matcher(near, near), fixed_matcher(far, far, name="other"), {}
    found = [match_views(video, matcher, memo=memo)[0].matches[0].a for matcher in (one, other)]
    assert [points[:, 1].min() for points in found] == [0, 30]
    assert (one.described, other.described) == (2, 2)


def test_a_video_without_frames_is_refused():
    with pytest.raises(ValueError, match="expected at least one frame"):
        match_views(np.zeros((2, 0, 8, 8, 3), np.uint8), Sift())


def test_integer_masks_are_refused():
    with pytest.raises(ValueError, match="masks has dtype uint8, expected bool"):
        match_views(np.zeros((2, 1, 8, 8, 3), np.uint8), Sift(), np.ones((2, 1, 8, 8), np.uint8))
