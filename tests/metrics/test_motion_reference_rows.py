"""The partial orders of the reference rows, which prove that a metric measures what it says, on a toy_clip scene."""

import math

import pytest

NAMES = ("ground_truth", "gt_shuffled", "frozen", "gt_noise_1cm", "gt_scaled_0.9", "random")
PERCENT, METRES = 1e-4, 1e-6  # what float32 tracks leave of zero


@pytest.fixture(scope="module")
def scores(build_clip, predict, measure_headline):
    clip = build_clip(frames=12, points=120)

    def of(metric):
        return {name: measure_headline(metric, predict(clip, name), clip) for name in NAMES}

    return of


@pytest.mark.parametrize("metric", ["rpe@1", "mv_rpe_scene@1", "mv_rpe_world@1"])
def test_relative_errors_rise_from_truth_over_noise_to_random(scores, metric):
    values = {name: m.value for name, m in scores(metric).items()}
    assert values["ground_truth"] < PERCENT < values["gt_noise_1cm"] < values["random"]
    assert values["ground_truth"] < values["gt_scaled_0.9"]
    assert values["gt_shuffled"] > PERCENT


@pytest.mark.parametrize("metric", ["chamfer@1", "chamfer_sq@1"])
def test_chamfer_sees_places_but_no_order(scores, metric):
    values = {name: m.value for name, m in scores(metric).items()}
    assert values["ground_truth"] < METRES
    assert values["gt_shuffled"] < METRES
    assert METRES < values["gt_noise_1cm"] < values["random"]
    assert values["frozen"] > METRES


def test_cross_view_disagreement_is_blind_to_what_all_views_share(scores):
    values = {name: m.value for name, m in scores("xv_rpe@1").items()}
    assert values["ground_truth"] < PERCENT
    assert values["frozen"] < PERCENT
    assert values["gt_noise_1cm"] > PERCENT


@pytest.mark.parametrize("metric", ["pi@1", "pi_010@1", "pi_005@1", "mv_pi_scene@1", "mv_pi_world@1", "xv_pi@1"])
def test_random_has_the_fewest_inliers_of_rows_in_place(scores, metric):
    """A shuffled row also loses the points that it hides by moving their validity, a scaled one all of them under a tight bound."""
    values = {name: m.value for name, m in scores(metric).items() if name not in ("gt_shuffled", "gt_scaled_0.9")}
    assert values["ground_truth"] == 100
    assert values.pop("random") < min(values.values())


def test_smoothness_is_one_at_the_truth_and_zero_when_frozen(scores):
    rows = scores("smoothness@1")
    assert rows["frozen"].value < METRES
    assert rows["ground_truth"].details["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert rows["gt_noise_1cm"].details["ratio"] > 1.5
    off = {name: abs(math.log(max(m.details["ratio"], 1e-9))) for name, m in rows.items()}
    assert min(off, key=off.get) == "ground_truth"


def test_accel_error_is_zero_at_the_truth_alone(scores):
    values = {name: m.value for name, m in scores("accel_error@1").items()}
    assert values["ground_truth"] < METRES < min(values["frozen"], values["gt_noise_1cm"], values["random"])


def test_reprojection_rises_from_truth_over_noise_to_random(scores):
    values = {name: m.value for name, m in scores("reproj_px@1").items()}
    assert values["ground_truth"] < 1e-3 < values["gt_noise_1cm"] < values["random"]


def test_the_scale_of_metric_rows_is_what_was_done_to_them(scores):
    values = {name: m.value for name, m in scores("scale@1").items()}
    assert values["ground_truth"] == pytest.approx(1.0, abs=1e-6)
    assert values["gt_scaled_0.9"] == pytest.approx(1 / 0.9, abs=1e-6)
