"""Videos that are made to score well: each breaks a companion of the columns of consistency, or is no nearer to the truth than an honest video."""

import math

import numpy as np
import pytest

from hoibench.evaluation.corruptions import flicker
from hoibench.metric_card import all_cards

COUNT, REL = "matching_pixels/sift-mnn@2", "matching_pixels_rel/sift-mnn@2"


def scrolling_noise(video, masks, texture):
    """The same noise in all views, moving by 8 px a frame."""
    count, height, width = video.shape[1:4]
    wide = texture(height, width + 8 * count, 7, blob=1.5)
    frames = np.stack([wide[:, 8 * n : 8 * n + width] for n in range(count)])
    return np.broadcast_to(frames, video.shape)


def copied_view(video, masks, texture):
    """View 0 in all views."""
    return np.repeat(video[:1], len(video), axis=0)


def common_background(video, masks, texture):
    """The true hands and objects before the same noise in all views."""
    return np.where(masks[..., None], video, texture(*video.shape[2:4], 7, blob=1.5))


def held_frame(video, masks, texture):
    """The first frame in all frames."""
    return np.repeat(video[:, :1], video.shape[1], axis=1)


def shaken(video, masks, texture):
    """The first frame, moved by up to 8 px in each frame of each view."""
    moves = np.random.default_rng(0).integers(-8, 9, (*video.shape[:2], 2))
    views = [[np.roll(view[0], tuple(move), (0, 1)) for move in own] for view, own in zip(video, moves, strict=True)]
    return np.array(views)


def shaken_between(video, masks, texture):
    """The first frame, moved by 8 px in every second frame: the matched frames are the true first one."""
    return np.stack([np.roll(video[:, 0], 8 * (n % 2), axis=2) for n in range(video.shape[1])], axis=1)


def flickering(video, masks, texture):
    """The first frame, every second time brighter by 20 %."""
    return flicker(held_frame(video, masks, texture))


CHEATS = {
    scrolling_noise: {"epipolar_share/sift-mnn@1"},
    copied_view: {"epipolar_share/sift-mnn@1"},
    held_frame: {"dynamic_degree_px/dis@2", "net_motion/dis@1"},
    shaken: {"epipolar_share/sift-mnn@1"},
    shaken_between: {"net_motion/dis@1"},
    flickering: {"dynamic_degree_px/dis@2", "net_motion/dis@1"},
}


@pytest.fixture(scope="module")
def scored(build_scene, texture, build_case):
    """Score a cheat or, without one, the truth: a function that returns a metric's headline of a region."""
    truth, masks, cameras = build_scene(frames=13, speed=0.02)
    cases, memo = {}, {}

    def score(cheat, metric, region):
        if cheat not in cases:
            video = truth if cheat is None else cheat(truth, masks, texture)
            cases[cheat] = build_case(video, truth=truth, truth_masks=masks, cameras=cameras, clip_memo=memo)
        found = [row for row in all_cards()[metric].load()(cases[cheat]) if row.region == region]
        return found[-1]

    return score


def broken_rules(scored, cheat, metric, region):
    """Return the companions whose rule a cheat breaks."""
    broken = set()
    for rule in all_cards()[metric].companions:
        own, true = (scored(c, rule.metric, rule.region or region) for c in (cheat, None))
        low, high = rule.ratio_to_truth
        if own.value is None or not low * true.value <= own.value <= (math.inf if high is None else high * true.value):
            broken.add(rule.metric)
    return broken


@pytest.mark.parametrize("metric", [COUNT, REL, "matching_pixels_dyn/sift-mnn@2"])
def test_the_truth_breaks_no_rule(scored, metric):
    assert not broken_rules(scored, None, metric, "fg")


@pytest.mark.parametrize(("cheat", "rules"), CHEATS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_cheat_breaks_a_companion(scored, cheat, rules):
    assert rules <= broken_rules(scored, cheat, REL, "fg")


@pytest.mark.parametrize("cheat", [scrolling_noise, copied_view, common_background], ids=lambda cheat: cheat.__name__)
def test_more_matches_than_the_truth_has_do_not_rank(scored, cheat):
    """These videos have more matches that agree with some geometry than the true one; the count is shown, and ranked only without truth."""
    assert scored(cheat, COUNT, "full").value > scored(None, COUNT, "full").value
    assert not all_cards()[COUNT].ranked_with_truth
    assert "epipolar_share/sift-mnn@1" in broken_rules(scored, cheat, COUNT, "full")


@pytest.mark.parametrize("metric", ["psnr@1", "ssim@1"])
@pytest.mark.parametrize("region", ["full", "fg"])
def test_likeness_to_the_true_video_is_greyed_for_a_held_frame(scored, metric, region):
    assert broken_rules(scored, held_frame, metric, region) == {"net_motion/dis@1"}
    assert not broken_rules(scored, None, metric, region)


def test_a_background_does_not_change_the_ratio(scored):
    assert scored(common_background, REL, "fg").value == pytest.approx(scored(None, REL, "fg").value, rel=0.1)


@pytest.mark.parametrize("cheat", [held_frame, flickering], ids=lambda cheat: cheat.__name__)
def test_held_frames_have_no_moving_matches(scored, cheat):
    assert scored(cheat, "matching_pixels_dyn/sift-mnn@2", "fg").value == 0


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)
def test_dynamic_degree_is_compared_with_the_truths(scored, cheat):
    assert all_cards()["dynamic_degree/dis@2"].direction == "truth_distance"
    row = scored(cheat, "dynamic_degree/dis@2", "fg")
    assert row.details["truth"] == scored(None, "dynamic_degree/dis@2", "fg").value == 1.0
    assert row.value == (0.0 if cheat in (held_frame, flickering) else 1.0)
