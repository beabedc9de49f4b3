"""Partial orders of the reference rows on a toy clip: they show that each metric measures what it claims."""

import math

import pytest

NAMES = ("ground_truth", "gt_shuffled", "frozen", "gt_noise_1cm", "gt_scaled_0.9", "random")
PERCENT, METRES = 1e-4, 1e-6  # what float32 tracks leave of zero


@pytest.fixture(scope="module")
def scores(build_clip, predict, measure_headline):
    clip = build_clip(frames=12, points=120)

    def of(metric):
        return {name: measure_headline(metric, predict(clip, name, valid=None), clip) for name in NAMES}

    return of


@pytest.mark.parametrize(
    "metric",
    ["rpe@2", "rpe@1", "rpe_all@2", "mv_rpe_scene@2", "mv_rpe_scene_all@2", "mv_rpe_world@2", "mv_rpe_world@1"],
)
def test_relative_errors_increase_from_truth_to_noise_to_random(scores, metric):
    values = {name: m.value for name, m in scores(metric).items()}
    assert values["ground_truth"] < PERCENT < values["gt_noise_1cm"] < values["random"]
    assert values["ground_truth"] < values["gt_scaled_0.9"]
    assert values["gt_shuffled"] > PERCENT


@pytest.mark.parametrize("metric", ["chamfer@2", "chamfer_sq@2", "chamfer_paper@1", "chamfer_paper_sq@1"])
def test_chamfer_ignores_the_order_of_points(scores, metric):
    values = {name: m.value for name, m in scores(metric).items()}
    assert values["ground_truth"] < METRES
    assert values["gt_shuffled"] < METRES
    assert METRES < values["gt_noise_1cm"] < values["random"]
    assert values["frozen"] > METRES


def test_frozen_views_agree(scores):
    values = {name: m.value for name, m in scores("xv_rpe@2").items()}
    assert values["ground_truth"] < PERCENT
    assert values["frozen"] < PERCENT
    assert values["gt_noise_1cm"] > PERCENT


@pytest.mark.parametrize("metric", ["pi@1", "pi_010@1", "pi_005@1", "mv_pi_scene@1", "mv_pi_world@1", "xv_pi@1"])
def test_random_has_the_fewest_inliers(scores, metric):
    """Two rows are left out: shuffled points are random ones too, and scaling misses every point under a tight bound."""
    values = {name: m.value for name, m in scores(metric).items() if name not in ("gt_shuffled", "gt_scaled_0.9")}
    assert values["ground_truth"] == 100
    assert values.pop("random") < min(values.values())


def test_the_smoothness_ratio_is_one_for_the_truth_and_zero_for_a_frozen_clip(scores):
    rows = scores("smoothness@2")
    assert rows["frozen"].value < METRES
    assert rows["frozen"].details["ratio"] < 1e-4
    assert rows["ground_truth"].details["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert rows["gt_noise_1cm"].details["ratio"] > 1.5
    distance = {name: abs(math.log(max(m.details["ratio"], 1e-9))) for name, m in rows.items()}
    assert min(distance, key=distance.get) == "ground_truth"


def test_accel_error_is_zero_only_for_the_truth(scores):
    values = {name: m.value for name, m in scores("accel_error@2").items()}
    assert values["ground_truth"] < METRES < min(values["frozen"], values["gt_noise_1cm"], values["random"])


def test_only_rows_that_move_as_the_truth_does_follow_it(scores):
    values = {name: m.value for name, m in scores("motion_following@1").items()}
    assert values["ground_truth"] == pytest.approx(1.0, abs=1e-4)
    assert values["gt_scaled_0.9"] == pytest.approx(0.9, abs=1e-4)
    assert values["gt_noise_1cm"] == pytest.approx(1.0, abs=0.05)
    assert values["frozen"] == pytest.approx(0.0, abs=1e-6)
    assert values["random"] < 0.5 and values["gt_shuffled"] < 0.9  # the toy's points move alike


def test_reprojection_errors_increase_from_truth_to_noise_to_random(scores):
    values = {name: m.value for name, m in scores("reproj_px@2").items()}
    assert values["ground_truth"] < 1e-3 < values["gt_noise_1cm"] < values["random"]


def test_scale_is_the_inverse_of_the_applied_factor(scores):
    values = {name: m.value for name, m in scores("scale@1").items()}
    assert values["ground_truth"] == pytest.approx(1.0, abs=1e-6)
    assert values["gt_scaled_0.9"] == pytest.approx(1 / 0.9, abs=1e-6)
