"""Dynamic degree: VBench's count on given flows, and values of moving textures."""

from itertools import pairwise

import numpy as np
import pytest

from hoibench.metrics.dynamic_degree import (
    DynamicDegree,
    dynamic_degree,
    measure_dynamic_degree,
    measure_dynamic_degree_px,
    measure_net_motion,
    measure_vbench,
    measure_vbench_px,
)
from hoibench.metrics.measurement import NotApplicable, Unavailable


class CountingFlow:
    """A flow of 0 that records the first pixels of the images of each pair."""

    name, weights = "counting", {"flow": "ab"}

    def __init__(self):
        self.pairs = []

    def flows(self, pairs):
        for a, b in pairs:
            self.pairs.append((int(a[0, 0, 0]), int(b[0, 0, 0])))
            yield np.zeros((*a.shape[:2], 2), np.float32)


def degree(*scores, sampled=None):
    return DynamicDegree(scores, threshold=3.0, sampled=sampled or len(scores) + 1, step=1, side=128)


@pytest.mark.parametrize(("sampled", "needed"), [(2, 0), (3, 1), (6, 2), (10, 2), (14, 4), (16, 4), (49, 12), (81, 20)])
def test_the_needed_count_equals_vbench(sampled, needed):
    assert degree(sampled=sampled).needed == needed


def test_a_pair_moves_if_its_score_exceeds_the_threshold():
    assert degree(3.0, 3.0001, 2.9, None).moved == 1


def test_a_video_with_the_needed_pairs_is_dynamic():
    still, fast = [0.0] * 12, [9.0] * 3
    assert degree(*fast, *still).dynamic is False  # 16 frames need 4
    assert degree(*fast, 9.0, *still[1:]).dynamic is True


def test_one_or_two_frames_have_no_value():
    assert degree(sampled=1).dynamic is None
    assert degree(9.0).dynamic is None


def test_the_continuous_form_is_the_mean_score_divided_by_the_short_side():
    assert degree(1.0, None, 3.0).relative == pytest.approx(2.0 / 128)
    assert degree(None, None).relative is None


@pytest.mark.parametrize(("fps", "sampled"), [(8, list(range(13))), (16, [0, 2, 4, 6, 8, 10, 12]), (30, [0, 4, 8, 12])])
def test_consecutive_sampled_frames_are_compared(fps, sampled):
    frames = np.zeros((13, 128, 128, 3), np.uint8) + np.arange(13, dtype=np.uint8)[:, None, None, None]
    flow = CountingFlow()
    found = dynamic_degree(frames, fps, flow=flow)
    assert flow.pairs == list(pairwise(sampled))
    assert found.sampled == len(sampled)


def test_small_frames_are_not_applicable(build_case):
    frames = np.zeros((3, 127, 192, 3), np.uint8)
    with pytest.raises(NotApplicable, match="127x192"):
        dynamic_degree(frames, 8)
    with pytest.raises(NotApplicable):
        list(measure_dynamic_degree(build_case(frames[None])))
    assert dynamic_degree(np.zeros((3, 128, 192, 3), np.uint8), 8).dynamic is False


@pytest.mark.parametrize(("speed", "dynamic"), [(0, False), (1, False), (6, True)])
def test_a_moving_texture_is_dynamic_above_the_threshold(texture, speed, dynamic):
    wide = texture(128, 260)
    frames = np.stack([wide[:, 60 - speed * n : 252 - speed * n] for n in range(9)])
    found = dynamic_degree(frames, fps=8)  # the threshold is 3 px
    assert found.dynamic is dynamic
    assert found.relative == pytest.approx(speed / 128, rel=0.2, abs=1e-12)


def test_the_step_follows_the_frame_rate(texture):
    wide = texture(128, 260)
    frames = np.stack([wide[:, 60 - 2 * n : 252 - 2 * n] for n in range(17)])
    assert dynamic_degree(frames, fps=8).dynamic is False  # 2 px a pair
    assert dynamic_degree(frames, fps=16).dynamic is True  # 4 px a pair


def test_the_mask_separates_foreground_from_background(build_video):
    video, masks = build_video(views=1, speed=5)
    assert dynamic_degree(video[0], 8, masks[0]).dynamic is True
    still_front, front = build_video(views=1, speed=0)
    still_front[0, :, :, :60] = video[0][:, :, 66:126]  # something moves, left of the foreground
    assert dynamic_degree(still_front[0], 8).dynamic is True
    assert dynamic_degree(still_front[0], 8, front[0]).dynamic is False


def test_the_headline_is_the_mean_of_the_views_and_comes_last(build_case, build_video):
    moving, masks = build_video(views=2)
    video = moving.copy()
    video[1] = moving[1, :1]
    for metric, one in (
        (measure_dynamic_degree, 1.0),
        (measure_dynamic_degree_px, dynamic_degree(video[0], 8).relative),
    ):
        rows = [row for row in metric(build_case(video, masks=masks)) if row.frame is None]
        assert [(row.region, row.view) for row in rows] == [
            ("full", "view-0"),
            ("full", "view-1"),
            ("full", None),
            ("fg", "view-0"),
            ("fg", "view-1"),
            ("fg", None),
        ]
        assert [row.value for row in rows[:3]] == pytest.approx([one, 0.0, one / 2])
        assert rows[0].details["flow"] == "dis-medium"
        assert (rows[0].n_scored, rows[0].n_expected) == (8, 8)


def test_the_continuous_form_has_a_row_for_each_pair_of_frames(build_case, build_video):
    video, masks = build_video(views=2)
    masks[1, 4] = False
    rows = list(measure_dynamic_degree_px(build_case(video, masks=masks, fps=16)))
    fg = [row for row in rows if row.region == "fg" and row.frame is not None]
    pairs = [("view-0", n) for n in (0, 2, 4, 6)] + [("view-1", n) for n in (0, 2, 6)]  # frame 4 shows no foreground
    assert [(row.view, row.frame) for row in fg] == pairs
    view = next(row for row in rows if (row.region, row.view, row.frame) == ("fg", "view-1", None))
    assert view.value == pytest.approx(np.mean([row.value for row in fg[4:]]))
    assert (view.n_scored, view.n_expected) == (3, 4)


def test_two_frames_are_undefined_with_a_reason(build_case, build_video):
    rows = list(measure_dynamic_degree(build_case(build_video(frames=2)[0])))
    assert {row.status for row in rows} == {"undefined"}
    assert "1 or 2 sampled frames" in rows[-1].reason
    assert list(measure_dynamic_degree_px(build_case(build_video(frames=2)[0])))[-1].value > 0


def test_an_empty_foreground_does_not_move(build_case, build_video):
    video, masks = build_video()
    case = build_case(video, masks=masks & False)
    last = list(measure_dynamic_degree(case))[-1]
    assert (last.region, last.value) == ("fg", 0.0)
    last = list(measure_dynamic_degree_px(case))[-1]
    assert (last.region, last.status, last.n_scored, last.n_expected) == ("fg", "undefined", 0, 3)


def test_pixels_from_0_to_1_and_integer_masks_are_refused():
    with pytest.raises(ValueError, match="frames has dtype float64, expected uint8"):
        dynamic_degree(np.zeros((2, 128, 128, 3)), 8.0)
    with pytest.raises(ValueError, match="masks has dtype uint8, expected bool"):
        dynamic_degree(np.zeros((2, 128, 128, 3), np.uint8), 8.0, np.ones((2, 128, 128), np.uint8))


def headlines(rows):
    return {row.region: row for row in rows if row.view is None}


def test_a_still_video_does_not_move_in_the_foreground_of_moving_masks(build_case, build_video):
    """Grey paint whose outline follows the true masks is no motion of the video: before, it made a held frame dynamic."""
    video, masks = build_video(speed=5)
    held = np.repeat(video[:, :1], 9, axis=1)
    case = build_case(held, truth=video, truth_masks=masks)
    for metric in (measure_dynamic_degree, measure_dynamic_degree_px, measure_net_motion):
        rows = headlines(metric(case))
        assert [row.value for row in rows.values()] == [0.0, 0.0]
        assert all(row.details["truth"] > 0 for row in rows.values())


def test_the_truths_value_is_on_the_row(build_case, build_video):
    video, masks = build_video(speed=5)
    still = build_video(speed=0)[0]
    rows = headlines(measure_dynamic_degree(build_case(still, truth=video, truth_masks=masks)))
    assert {region: (row.value, row.details["truth"]) for region, row in rows.items()} == {"full": (0, 1), "fg": (0, 1)}
    for metric in (measure_dynamic_degree_px, measure_net_motion):
        same = headlines(metric(build_case(video, truth=video, truth_masks=masks)))
        assert [row.details["truth"] for row in same.values()] == [row.value for row in same.values()]
    assert "truth" not in headlines(measure_dynamic_degree(build_case(still)))["full"].details
    own = headlines(measure_dynamic_degree(build_case(still, masks=masks, truth=video)))
    assert ("truth" in own["full"].details, "truth" in own["fg"].details) == (True, False)


def test_the_truths_value_is_computed_once_per_clip(build_case, build_video):
    video, masks = build_video()
    case = build_case(video[::-1], truth=video, truth_masks=masks)
    list(measure_dynamic_degree(case))
    for metric in (measure_dynamic_degree, measure_dynamic_degree_px):
        other = build_case(video[:, ::-1], truth=video * 0, truth_masks=masks, clip_memo=case.clip_memo)
        assert headlines(metric(other))["full"].details["truth"] > 0  # from the memo, not from the black video


def test_net_motion_compares_frames_that_are_half_a_second_apart(build_case, texture):
    wide = texture(128, 300)
    glide = np.stack([wide[:, 60 - n : 252 - n] for n in range(9)])
    found = dynamic_degree(glide, fps=8, interval=4)
    assert (found.step, found.sampled, len(found.scores)) == (4, 3, 2)
    assert found.relative == pytest.approx(4 / 128, rel=0.2)
    assert dynamic_degree(glide.repeat(2, axis=0)[:17], fps=16, interval=4).step == 8


def test_shaking_moves_without_net_motion(build_case, build_scene):
    truth, masks, cameras = build_scene()
    shaken = np.stack([np.roll(truth[:, 0], 8 * (n % 2), axis=2) for n in range(9)], axis=1)
    case = build_case(shaken, truth=truth, truth_masks=masks, cameras=cameras)
    px, net = headlines(measure_dynamic_degree_px(case)), headlines(measure_net_motion(case))
    for region in ("full", "fg"):
        assert px[region].value > 0.5 * px[region].details["truth"]
        assert net[region].value < 0.1 * net[region].details["truth"]


def test_vbench_takes_its_own_flow_once_for_both_metrics(build_case, build_video, monkeypatch):
    flow = CountingFlow()
    monkeypatch.setattr("hoibench.metrics.dynamic_degree.load_raft_flow", lambda case: flow)
    video, masks = build_video(views=3, frames=9)
    case = build_case(video, masks=masks, fps=15)
    for metric in (measure_vbench, measure_vbench_px):
        rows = [row for row in metric(case) if row.frame is None]
        assert [row.region for row in rows] == ["full"] * 4 + ["fg"] * 4
        assert all(row.value == 0 and row.weights == flow.weights for row in rows)
        assert rows[0].details | {"flow": "counting", "precision": "fp32", "sampled": 5, "needed": 1} == rows[0].details
    assert len(flow.pairs) == 3 * 4 * 2  # views, pairs of every second frame, regions


def test_without_weights_vbench_is_unavailable(build_case, build_video, monkeypatch, tmp_path):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    for metric in (measure_vbench, measure_vbench_px):
        with pytest.raises(Unavailable, match="hoibench weights fetch raft-large-c_t_v1"):
            list(metric(build_case(build_video()[0])))
