"""Rows of the matching-pixels metrics: counts, ratios to the truth, and moving matches."""

import numpy as np
import pytest

from hoibench.metric_card import all_cards
from hoibench.metrics.backbones.matchers import MATCHERS
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.epipolar import GIM_MAGSAC
from hoibench.metrics.matching_pixels import (
    line_tolerance,
    matching_pixels,
    measure_counts,
    measure_moving,
    measure_paper,
    measure_ratio,
)
from hoibench.metrics.measurement import NotApplicable, Unavailable, Undefined
from hoibench.metrics.view_matches import match_views


def last(rows):
    return list(rows)[-1]


def noise(like, seed=0):
    return np.random.default_rng(seed).integers(0, 256, like.shape, dtype=np.uint8)


def test_rows_are_pairs_then_the_clip(build_case, build_video):
    video, masks = build_video()
    rows = list(measure_counts(build_case(video, masks=masks), "sift-mnn"))
    pairs = ["view-0|view-1", "view-0|view-2", "view-1|view-2"]
    assert [(row.region, row.pair) for row in rows] == [(r, p) for r in ("full", "fg") for p in (*pairs, None)]
    counts = [pair.counts for pair in match_views(video, Sift())]
    assert [row.details["counts"] for row in rows[:3]] == [list(count) for count in counts]
    assert rows[3].value == pytest.approx(np.mean(counts)) == matching_pixels(video, Sift())
    assert (rows[3].n_scored, rows[3].details["first_frame"], rows[3].details["stride"]) == (6, 4, 4)
    assert (rows[3].details["magsac_px"], rows[3].details["magsac_confidence"]) == (0.4, 0.9999)
    assert 0 < rows[3].details["inlier_ratio"] <= 1
    assert rows[3].value <= rows[3].details["raw"]


def test_the_foreground_has_fewer_matches_than_the_frame(build_case, build_video):
    video, masks = build_video()
    values = {
        row.region: row.value for row in measure_counts(build_case(video, masks=masks), "sift-mnn") if not row.pair
    }
    assert 0 < values["fg"] < values["full"]


def test_views_of_one_scene_match_and_noise_does_not(build_video):
    video = build_video()[0]
    assert matching_pixels(video, Sift()) > 10 * matching_pixels(noise(video), Sift())


def test_blank_frames_have_zero_matches_and_no_inlier_ratio(build_case):
    row = last(measure_counts(build_case(np.full((2, 5, 128, 128, 3), 127, np.uint8)), "sift-mnn"))
    assert row.value == 0.0
    assert row.details["inlier_ratio"] is None


def test_the_papers_counts_are_the_mean_over_every_frame_by_the_matchers_own_settings(build_case, fixed_matcher):
    matcher = fixed_matcher(grid_of_points(48, 20), grid_of_points(48, 40))
    matcher.magsac = GIM_MAGSAC
    video = np.zeros((2, 6, 128, 192, 3), np.uint8)
    video[1, 1:, 0, 0, 0] = 1  # frame 0 differs
    row = last(measure_paper(build_case(video), matcher.name))
    assert (row.n_scored, row.details["first_frame"], row.details["stride"]) == (6, 0, 1)
    assert (row.details["magsac_px"], row.details["magsac_confidence"]) == (1.0, 0.999999)
    assert row.value == matching_pixels(video, matcher, frames=range(6)) > 0


def test_the_truth_against_itself_is_one(build_case, build_scene):
    video, masks, cameras = build_scene()
    rows = list(measure_ratio(build_case(video, truth=video, truth_masks=masks, cameras=cameras), "sift-mnn"))
    assert [(row.region, row.value, row.pair, row.details["ratio"]) for row in rows] == [("fg", 1.0, None, 1.0)]


@pytest.mark.parametrize("with_cameras", [True, False])
def test_the_ratio_divides_sums_over_the_clip(build_case, build_scene, with_cameras):
    truth, masks, cameras = build_scene()
    cameras = cameras if with_cameras else None
    video = truth.copy()
    video[0] = noise(video[0])
    row = last(measure_ratio(build_case(video, truth=truth, truth_masks=masks, cameras=cameras), "sift-mnn"))
    sums = [6 * matching_pixels(v, Sift(), masks, cameras) for v in (video, truth)]  # 3 pairs of views, 2 frames
    assert row.value == row.details["ratio"] == pytest.approx(sums[0] / sums[1])
    assert row.value < 0.5
    assert (row.details["generated"], row.details["truth"]) == pytest.approx(sums)
    assert row.details["counted"] == ("true epipolar lines" if with_cameras else "estimated fundamental matrix")


def test_matches_count_within_the_tolerance_of_their_true_line(build_case, build_scene):
    assert [line_tolerance(size) for size in ((128, 192), (240, 300), (480, 704))] == [1.0, 1.0, 2.0]
    video, masks, cameras = build_scene(frames=5)
    near = [np.sum(d <= 1.0) for pair in match_views(video, Sift(), masks) for d in pair.distances(cameras)]
    row = last(measure_ratio(build_case(video, truth=video, truth_masks=masks, cameras=cameras), "sift-mnn"))
    assert (row.details["generated"], row.details["tolerance_px"]) == (sum(near), 1.0)


def test_more_matches_than_the_truth_has_are_no_merit(build_case, build_scene):
    video, masks, cameras = build_scene()
    few = video.copy()
    few[:, 4] = 127
    row = last(measure_ratio(build_case(video, truth=few, truth_masks=masks, cameras=cameras), "sift-mnn"))
    card = all_cards()["matching_pixels_rel/sift-mnn@2"]
    assert (row.details["ratio"] > 1.5, card.direction) == (True, "ratio")


def test_a_truth_with_few_matches_gives_no_ratio(build_case, build_scene):
    video, masks, cameras = build_scene()
    grey = np.full_like(video, 127)
    row = last(measure_ratio(build_case(video, truth=grey, truth_masks=masks, cameras=cameras), "sift-mnn"))
    assert (row.status, row.value) == ("undefined", None)
    assert "0 matches; a ratio needs at least 50" in row.reason


def test_the_ratio_needs_a_true_video_and_true_masks(build_case, build_video):
    video, masks = build_video()
    with pytest.raises(NotApplicable, match="no true video"):
        list(measure_ratio(build_case(video, masks=masks), "sift-mnn"))
    with pytest.raises(NotApplicable, match="no true masks"):
        list(measure_ratio(build_case(video, masks=masks, truth=video), "sift-mnn"))


def test_a_frozen_video_has_no_moving_matches(build_case, build_video):
    video = build_video()[0].copy()
    moving = last(measure_moving(build_case(video), "sift-mnn"))
    video[:] = video[:, :1]
    frozen = build_case(video)
    assert last(measure_moving(frozen, "sift-mnn")).value == 0.0
    assert last(measure_counts(frozen, "sift-mnn")).value > moving.value > 0


def test_moving_matches_are_on_the_moving_foreground(build_case, build_video):
    video, masks = build_video(speed=5)  # the threshold is 3 px
    (pair, *_) = match_views(video, Sift())
    on_front = [
        int((m.inlier & masks[0, n][tuple(np.rint(m.a).astype(int).T[::-1])]).sum())
        for n, m in zip(pair.frames, pair.matches, strict=True)
    ]
    row = next(iter(measure_moving(build_case(video), "sift-mnn")))
    assert row.details["flow"] == "dis-medium"
    assert sum(row.details["counts"]) == pytest.approx(sum(on_front), rel=0.25)
    slow = build_case(build_video(speed=2)[0])
    assert last(measure_moving(slow, "sift-mnn")).value < row.value / 5


def grid_of_points(count, offset):
    """Return ``count`` points on a grid of 4 px, right of ``offset``: a translation between two views, explained by one fundamental matrix."""
    places = np.stack(np.meshgrid(np.arange(8), np.arange(count // 8 + 1)), axis=-1).reshape(-1, 2)[:count]
    return 4.0 * places + np.array([offset, 16.0])


def test_moving_matches_are_near_their_true_line(build_case, build_scene):
    """A shift by 8 px in each frame moves, and agrees with some fundamental matrix, but not with the true one."""
    truth, masks, cameras = build_scene()
    shift = np.random.default_rng(0).integers(-8, 9, (*truth.shape[:2], 2))
    shaken = np.stack([[np.roll(truth[v, 0], tuple(shift[v, n]), (0, 1)) for n in range(9)] for v in range(3)])
    by_matrix = last(row for row in measure_moving(build_case(shaken), "sift-mnn") if row.region == "full")
    by_lines = last(
        row for row in measure_moving(build_case(shaken, cameras=cameras), "sift-mnn") if row.region == "full"
    )
    assert by_lines.value < by_matrix.value / 2
    rows = list(measure_moving(build_case(truth, truth=truth, truth_masks=masks, cameras=cameras), "sift-mnn"))
    assert [row.details["ratio"] for row in rows if row.pair is None] == [1.0, 1.0]


def test_few_moving_matches_of_the_truth_give_no_ratio(build_case, build_scene):
    truth, masks, cameras = build_scene(speed=0.0)
    rows = list(measure_moving(build_case(truth, truth=truth, truth_masks=masks, cameras=cameras), "sift-mnn"))
    clip = [row for row in rows if row.pair is None]
    assert [(row.status, row.details["truth"], "ratio" in row.details) for row in clip] == 2 * [("ok", 0, False)]


def test_each_end_of_a_match_must_move_in_its_own_view(build_case, texture, fixed_matcher):
    """The left half of view 0 and the right half of view 1 move."""
    back, front = texture(128, 256, 0), texture(128, 80, 1)
    video = np.broadcast_to(back[:, :192], (2, 5, 128, 192, 3)).copy()
    for n in range(5):
        video[0, n, :, :80] = np.roll(front, 6 * n, axis=1)
        video[1, n, :, 112:] = np.roll(front, 6 * n, axis=1)
    video[:, :, 0, 0, 0] = np.array([0, 1])[:, None]
    moving = fixed_matcher(grid_of_points(48, 20), grid_of_points(48, 132), name="moving")
    one_end = fixed_matcher(grid_of_points(48, 20), grid_of_points(48, 20), name="one end")
    (pair, _) = (row for row in measure_moving(build_case(video), moving.name) if row.region == "full")
    assert min(pair.details["counts"]) > 40
    (pair, _) = (row for row in measure_moving(build_case(video), one_end.name) if row.region == "full")
    assert max(pair.details["counts"]) == 0


@pytest.mark.parametrize(("matches", "status"), [(49, "undefined"), (50, "ok")])
def test_a_ratio_needs_fifty_true_matches(build_case, fixed_matcher, matches, status):
    video = np.zeros((2, 5, 128, 192, 3), np.uint8)
    video[1, :, 0, 0, 0] = 1
    masks = np.ones(video.shape[:4], bool)
    matcher = fixed_matcher(grid_of_points(matches, 20), grid_of_points(matches, 60))
    row = last(measure_ratio(build_case(video, truth=video, truth_masks=masks), matcher.name))
    assert (row.status, row.details["truth"]) == (status, matches)
    assert row.value == (1.0 if status == "ok" else None)


def test_moving_matches_need_two_frames_of_128_px(build_case, build_video):
    video = build_video()[0]
    with pytest.raises(NotApplicable, match="127x192"):
        list(measure_moving(build_case(video[:, :, :127]), "sift-mnn"))
    with pytest.raises(Undefined, match="the clip has 4 frames"):
        list(measure_moving(build_case(video[:, :4]), "sift-mnn"))
    with pytest.raises(Undefined, match="9 frames at 80 fps"):
        list(measure_moving(build_case(video, fps=80.0), "sift-mnn"))


def test_the_order_of_metrics_does_not_matter(build_case, build_video):
    video, masks = build_video(frames=5)
    metrics = [measure_counts, measure_moving, measure_ratio]
    case = build_case(video, masks=masks, truth=build_video(frames=5, seed=5)[0], truth_masks=masks)
    forward = [[row.value for row in metric(case, "sift-mnn")] for metric in metrics]
    case = build_case(video, masks=masks, truth=build_video(frames=5, seed=5)[0], truth_masks=masks)
    assert [[row.value for row in metric(case, "sift-mnn")] for metric in metrics[::-1]] == forward[::-1]


METRICS = [card for id, card in all_cards().items() if id.startswith(("matching_pixels", "epipolar"))]


@pytest.mark.parametrize("card", [card for card in METRICS if card.weights], ids=lambda card: card.id)
def test_without_weights_a_metric_is_unavailable(card, build_case, build_scene, monkeypatch, tmp_path):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr("hoibench.weights.finding._path_in_package", lambda file: None)
    video, masks, cameras = build_scene()
    case = build_case(video, truth=video, truth_masks=masks, cameras=cameras)
    with pytest.raises(Unavailable, match=f"hoibench weights fetch {card.weights[0]}"):
        list(card.load()(case))


def test_each_matcher_has_the_same_metrics():
    """And one of them the count of the paper, too."""
    metrics = {}
    for card in METRICS:
        assert card.arguments == {"matcher": card.id.partition("/")[2].partition("@")[0]}
        metrics.setdefault(card.arguments["matcher"], set()).add(card.id.partition("/")[0])
    assert metrics.keys() == MATCHERS.keys()
    every = {"matching_pixels", "matching_pixels_rel", "matching_pixels_dyn", "epipolar_error", "epipolar_share"}
    for matcher, names in metrics.items():
        assert names - {"matching_pixels_paper"} == every
        assert ("matching_pixels_paper" in names) == (matcher == "gim-lightglue")


@pytest.mark.parametrize("card", METRICS, ids=lambda card: card.id)
def test_cards_declare_weights_regions_and_needs(card):
    name = card.id.partition("/")[0]
    assert ("offline" in card.sets) == (not card.weights)
    assert ("paper" in card.sets) == (name == "matching_pixels_paper")
    regions = {"matching_pixels_rel": ("fg",), "matching_pixels_paper": ("full",)}
    assert card.regions == regions.get(name, ("full", "fg"))
    assert ("truth.video" in card.needs) == (name == "matching_pixels_rel")
    assert ("cameras" in card.needs) == name.startswith("epipolar")
    assert card.primary == (card.id == "matching_pixels_rel/sift-mnn@2")
    assert card.ranked_with_truth == (name != "matching_pixels")
    secondary = "aliked-lightglue" in card.id or card.id == "matching_pixels_dyn/xfeat@2"
    assert card.is_ranked == (name not in ("epipolar_share", "matching_pixels_paper") and not secondary)


@pytest.mark.field
def test_aliked_rows_name_their_weights(build_case, build_video, field_data):
    video, masks = build_video(views=2, frames=5)
    case = build_case(video, truth=video, truth_masks=masks, weights=field_data / "aliked")
    rows = [row for row in measure_counts(case, "aliked-mnn") if row.region == "full"]
    assert rows[-1].value > 100
    assert set(rows[-1].weights) == {"aliked-n16"}
    assert last(measure_ratio(case, "aliked-mnn")).value == 1.0
    assert 0 < last(measure_moving(case, "aliked-mnn")).value < rows[-1].value
