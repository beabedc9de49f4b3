"""Matches between views: frames, pairs, masks, and the memo."""

import tracemalloc

import cv2
import numpy as np
import pytest

from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, GIM_MAGSAC, fundamental_matrix
from hoibench.metrics.epipolar_error import measure_error, measure_share
from hoibench.metrics.matching_pixels import measure_counts, measure_moving, measure_paper, measure_ratio
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.metrics.view_matches import is_on_mask, match_case, match_views, true_total


class Counting(Sift):
    """SIFT that lists the images and the pairs that it is given, by digest, and the largest number of them in one call."""

    def __init__(self):
        super().__init__()
        for name in ("images", "pairs", "calls"):
            object.__setattr__(self, name, [])

    def describe(self, images):
        self.images.extend(image.tobytes() for image in images)
        self.calls.append(len(images))
        return super().describe(images)

    def match(self, pairs):
        self.pairs.extend((a.points.tobytes(), b.points.tobytes()) for a, b in pairs)
        self.calls.append(len(pairs))
        return super().match(pairs)


class Fixed:
    """A matcher with given points; point k matches point k."""

    name, weights, magsac = "fixed", {}, DEFAULT_MAGSAC

    def __init__(self, points):
        self.points = np.array(points, np.float32)

    def describe(self, images):
        blank = np.zeros((len(self.points), 1), np.float32)
        return [Features(self.points + float(image[0, 0, 0]), blank, image.shape[:2]) for image in images]

    def match(self, pairs):
        return [np.stack([np.arange(len(a.points))] * 2, axis=1) for a, b in pairs]


def test_every_pair_of_views_is_matched_on_every_fourth_frame_without_frame_0(build_video):
    pairs = match_views(build_video(frames=9)[0], Sift())
    assert [pair.views for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert {pair.frames for pair in pairs} == {range(4, 12, 4)}
    assert all(len(pair.counts) == len(pair.raw) == 2 for pair in pairs)


def test_12_of_49_frames_are_matched():
    blank = np.zeros((2, 49, 8, 8, 3), np.uint8)
    (pair,) = match_views(blank, Fixed([]))
    assert list(pair.frames) == list(range(4, 49, 4))
    assert len(pair.frames) == 12


def test_frame_0_does_not_count(build_video):
    """Frame 0 is an input of image-to-video methods: it alone decided the order of two published methods."""
    video = build_video()[0].copy()
    counts = [pair.counts for pair in match_views(video, Sift())]
    video[:, 0] = 127
    assert [pair.counts for pair in match_views(video, Sift())] == counts


def test_a_video_of_four_frames_is_undefined(build_video):
    with pytest.raises(Undefined, match="the clip has 4 frames"):
        match_views(build_video(frames=4)[0], Sift())


def test_other_frames_can_be_matched():
    pairs = match_views(np.zeros((3, 7, 8, 8, 3), np.uint8), Fixed([]), frames=range(7))
    assert [list(pair.frames) for pair in pairs] == 3 * [list(range(7))]


def test_inliers_follow_the_parallax(build_video):
    (pair,) = match_views(build_video(views=2)[0], Sift())
    for match in pair.matches:
        assert match.inlier.sum() > 50
        moved = (match.a - match.b)[match.inlier]
        assert np.abs(moved[:, 1]).max() < 1.5  # epipolar lines are rows
        assert np.mean(np.min(np.abs(moved[:, :1] - [3, 9]), axis=1) < 0.5) > 0.95  # background or foreground parallax


def test_counts_equal_a_plain_pipeline(build_video):
    video = build_video(views=2, frames=1)[0]
    (pair,) = match_views(video, Sift(), frames=range(1))
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
    _, kept = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, 1.5 * 128 / 480, 0.9999, 10_000)
    assert pair.raw == (len(both),)
    assert pair.counts == (int(kept.sum()),)


def test_fewer_than_eight_matches_count_as_zero():
    video = np.zeros((2, 1, 64, 64, 3), np.uint8)
    video[1] = 9  # Fixed shifts the points of the second view by 9 px
    points = np.random.default_rng(0).uniform(0, 50, (8, 2))
    for n in (7, 8):
        (pair,) = match_views(video, Fixed(points[:n]), frames=range(1))
        assert pair.raw == (n,)
        assert (pair.counts[0] > 0) == (n == 8)


def test_both_ends_must_be_inside_the_mask():
    video = np.zeros((2, 1, 40, 60, 3), np.uint8)
    masks = np.zeros((2, 1, 40, 60), bool)
    masks[0, 0, :, :30] = masks[1, 0, :20] = True
    quarters = [(10, 5), (50, 5), (10, 35), (50, 35)]
    (pair,) = match_views(video, Fixed(quarters), masks, range(1))
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
    assert (len(matcher.images), len(matcher.pairs)) == (3, 3)
    assert {len(set(pair.counts)) for pair in pairs} == {1}


def test_a_still_view_is_described_once(build_video):
    video = build_video(frames=33, speed=1)[0].copy()
    video[0] = video[0, :1]
    matcher = Counting()
    match_views(video, matcher)
    assert len(matcher.images) == len(set(matcher.images)) == 1 + 2 * 8
    assert len(matcher.pairs) == 3 * 8


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_the_batch_does_not_change_the_matches(build_video, batch):
    video, masks = build_video(frames=13, speed=3)
    matcher = Counting()
    pairs = match_views(video, matcher, masks, batch=batch)
    assert max(matcher.calls) <= batch
    for pair, other in zip(pairs, match_views(video, Sift(), masks), strict=True):
        for match, wanted in zip(pair.matches, other.matches, strict=True):
            assert np.array_equal(match.a, wanted.a) and np.array_equal(match.b, wanted.b)


def test_the_memo_does_not_change_the_matches(build_video):
    video, masks = build_video(seed=3)
    alone = [pair.counts for pair in match_views(video, Sift())]
    matcher, memo = Counting(), {}
    match_views(video, matcher, masks, memo=memo)
    match_views(video[::-1], matcher, memo=memo)
    assert [pair.counts for pair in match_views(video, matcher, memo=memo)] == alone
    described = len(matcher.images)
    match_views(video[:2], matcher, memo=memo)
    assert len(matcher.images) == described  # every pair of these frames was matched before


def peak_memory(frames):
    """Return the most bytes in use while views of noise are matched by a matcher with 4 MB of descriptors for each image."""

    class Large(Fixed):
        def describe(self, images):
            blank = np.zeros((len(self.points), 1_000_000), np.float32)
            return [Features(self.points, blank.copy(), image.shape[:2]) for image in images]

    video = np.random.default_rng(0).integers(0, 256, (3, frames, 32, 32, 3), np.uint8)
    tracemalloc.start()
    match_views(video, Large([[3, 4]]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_length():
    assert peak_memory(65) < peak_memory(17) + 500_000


def test_one_view_is_not_applicable(build_video):
    with pytest.raises(NotApplicable, match="only one view"):
        match_views(build_video(views=1)[0], Sift())


def test_matchers_do_not_share_features_in_the_memo(fixed_matcher):
    video = np.zeros((2, 1, 64, 64, 3), np.uint8)
    video[1] = 1
    near, far = ([(x, y + offset) for x in (5, 25, 45) for y in (0, 10, 20)] for offset in (0, 30))
    one, other, memo = fixed_matcher(near, near), fixed_matcher(far, far, name="other"), {}
    found = [match_views(video, matcher, frames=range(1), memo=memo)[0].matches[0].a for matcher in (one, other)]
    assert [points[:, 1].min() for points in found] == [0, 30]
    assert (one.described, other.described) == (2, 2)


@pytest.mark.parametrize("length", [0, 9])
def test_no_frames_are_refused(length):
    """Their mean would be NaN."""
    with pytest.raises(ValueError, match="expected at least one frame"):
        match_views(np.zeros((2, length, 8, 8, 3), np.uint8), Sift(), frames=range(0))


def test_pixels_from_0_to_1_and_integer_masks_are_refused():
    with pytest.raises(ValueError, match="video has dtype float64, expected uint8"):
        match_views(np.zeros((2, 1, 8, 8, 3)), Sift())
    with pytest.raises(ValueError, match="masks has dtype uint8, expected bool"):
        match_views(np.zeros((2, 1, 8, 8, 3), np.uint8), Sift(), np.ones((2, 1, 8, 8), np.uint8))


def test_the_matchers_own_magsac_settings_are_used():
    video = np.zeros((2, 1, 64, 64, 3), np.uint8)
    video[1] = 9
    rng = np.random.default_rng(0)
    matcher = Fixed(rng.uniform(0, 50, (60, 2)))
    (pair,) = match_views(video, matcher, frames=range(1))
    matcher.magsac = GIM_MAGSAC
    (gim,) = match_views(video, matcher, frames=range(1))
    assert (pair.matches[0].magsac, gim.matches[0].magsac) == (DEFAULT_MAGSAC, GIM_MAGSAC)


def test_true_matches_are_on_the_true_epipolar_lines(build_scene):
    video, _, cameras = build_scene(frames=5)
    pairs = match_views(video, Sift())
    for pair in pairs:
        (found,) = pair.distances(cameras)
        assert len(found) == pair.raw[0] > 300
        assert np.mean(found < 1) > 0.95
        assert np.median(pair.distances(cameras[::-1])[0]) > 3  # wrong cameras


def test_moving_cameras_have_epipolar_lines_per_frame(build_clip):
    cameras = build_clip(moving=True).cameras[0], build_clip().cameras[1]
    video = np.zeros((2, 9, 128, 192, 3), np.uint8)
    video[1] = 9
    (pair,) = match_views(video, Fixed([[30, 40], [90, 60]]))
    F = [fundamental_matrix(cameras[0], cameras[1], n) for n in (4, 8)]
    assert np.abs(F[0] - F[1]).max() > 1e-4
    points = np.array([[30.0, 40], [90, 60]])
    homogeneous = [np.c_[p, [1, 1]] for p in (points, points + 9)]
    for f, found in zip(F, pair.distances(cameras), strict=True):
        error = np.abs(np.einsum("ni,ij,nj->n", homogeneous[1], f, homogeneous[0]))
        lines = homogeneous[0] @ f.T, homogeneous[1] @ f
        assert found == pytest.approx(sum(error / np.hypot(*line.T[:2]) for line in lines) / 2)


def test_metrics_of_a_case_share_its_matches(build_case, build_scene, monkeypatch):
    """Each image is described once and each pair matched once for all regions and metrics; a true video that is the prediction costs nothing more."""
    video, masks, cameras = build_scene()
    case, matcher = build_case(video, truth=video, truth_masks=masks, cameras=cameras), Counting()
    monkeypatch.setattr("hoibench.metrics.backbones.matchers.MATCHERS", {"counting": lambda case: matcher})
    for measure in (measure_counts, measure_moving, measure_ratio, measure_error, measure_share):
        assert list(measure(case, "counting"))[-1].status == "ok"
    assert len(matcher.images) == len(set(matcher.images)) == 2 * 3 * 2  # regions, views, frames
    assert len(matcher.pairs) == len(set(matcher.pairs)) == 2 * 3 * 2
    assert list(measure_paper(case, "counting"))[-1].n_scored == 3 * 9
    assert len(matcher.images) == len(set(matcher.images)) == 3 * 9 + 3 * 2  # the other frames of the full frame only


def test_a_total_of_the_truth_is_computed_once_per_clip(build_case, build_video):
    video, masks = build_video()
    memo, matcher, calls = {}, Counting(), []

    def count(pair, video, masks):
        calls.append(masks is None)
        return pair.raw

    totals = [
        true_total(build_case(video[::-1], truth=video, truth_masks=masks, clip_memo=memo), matcher, region, "n", count)
        for region in ("full", "fg", "full", "fg")
    ]
    assert totals[:2] == totals[2:] and totals[1] < totals[0]
    assert calls == 3 * [True] + 3 * [False]
    assert true_total(build_case(video), matcher, "full", "n", count) is None
    assert true_total(build_case(video, masks=masks, truth=video), matcher, "fg", "n", count) is None


def test_a_prediction_that_equals_the_truth_takes_the_matches_of_the_truth(build_case, build_video):
    video, masks = build_video()
    memo, matcher = {}, Counting()
    settings = {"truth": video, "truth_masks": masks, "clip_memo": memo}
    true_total(build_case(video[::-1], **settings), matcher, "fg", "n", lambda pair, *_: pair.raw)
    described = len(matcher.images)
    found = match_case(build_case(video, **settings), matcher, "fg", masks)
    assert len(matcher.images) == described > 0
    assert [pair.raw for pair in found] == [pair.raw for pair in match_views(video, Counting(), masks)]
