"""A run on the demo split, and the order that the values of its reference rows must have."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from disk_cache import cached_folder
from fork_server import fork_run

ZERO = {
    "rpe@2": 1e-4,
    "mv_rpe_scene@2": 1e-4,
    "mv_rpe_world@2": 1e-4,
    "xv_rpe@2": 1e-4,
    "chamfer@2": 1e-6,
    "accel_error@2": 1e-6,
}
"""Largest values that count as zero, since tracks are stored in float32 (percent, metres, metres per frame squared)."""


@pytest.fixture(scope="module", params=[2, pytest.param(6, marks=pytest.mark.slow)], ids="{} clips".format)
def clips(request):
    """The number of clips of the split ``demo``: all six in the slow suite, else two."""
    return request.param


@pytest.fixture(scope="module")
def demo(clips, demo_root):
    """The folder of a run of reference rows alone."""
    words = [sys.executable, "-m", "hoibench.run", "--method", "frozen", "--method", "random"]
    words += ["--limit", str(clips)] if clips < 6 else []
    env = {**os.environ, "HOIBENCH_WEIGHTS": "", "HOIBENCH_CACHE": str(demo_root)}

    def build(folder):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900, env=env)
        assert done.returncode == 0, done.stderr
        page = folder / done.stdout.splitlines()[-1]
        assert page.name == "index.html"
        assert page.is_file()
        page.parent.parent.rename(folder / "run")

    return cached_folder("reference-rows", f"{clips} clips", build) / "run"


@pytest.fixture(scope="module")
def rows(demo):
    table = pd.read_parquet(demo / "results.parquet")
    headline = table["view"].isna() & table["pair"].isna() & table["part"].isna() & table["frame"].isna()
    return table[headline & (table["region"] == "full")]


@pytest.fixture(scope="module")
def mean(rows):
    assert not rows["status"].isin(["failed", "error"]).any(), rows[rows["status"].isin(["failed", "error"])]
    return rows[rows["status"] == "ok"].groupby(["metric", "method"])["value"].mean()


def test_every_clip_has_every_reference_row(rows, clips):
    references = {"ground_truth", "gt_shuffled", "gt_noise_1cm", "gt_scaled_0.9", "frozen", "random"}
    assert set(rows["method"]) == references
    assert rows.groupby("method")["clip"].nunique().eq(clips).all()


@pytest.mark.parametrize("metric", ["rpe@2", "mv_rpe_scene@2", "mv_rpe_world@2"])
def test_relative_errors(mean, metric):
    m = mean[metric]
    assert m["ground_truth"] < ZERO[metric] < m["gt_noise_1cm"] < m["random"]
    assert m["ground_truth"] < m["gt_scaled_0.9"]
    assert m["gt_shuffled"] > ZERO[metric]


def test_rpe_of_the_truth_is_zero_on_every_clip(rows):
    truth = rows[(rows["method"] == "ground_truth") & (rows["metric"] == "rpe@2")]
    assert (truth["value"] < 1e-4).all()


@pytest.mark.parametrize("metric", ["chamfer@2", "chamfer_sq@2"])
def test_chamfer_does_not_depend_on_the_order_of_points(mean, metric):
    m, none = mean[metric], ZERO["chamfer@2"]
    assert max(m["ground_truth"], m["gt_shuffled"]) < none < m["gt_noise_1cm"] < m["random"]
    assert m["frozen"] > none


def test_views_agree_on_truth_and_on_stillness(mean):
    m = mean["xv_rpe@2"]
    assert max(m["ground_truth"], m["frozen"]) < ZERO["xv_rpe@2"] < m["gt_noise_1cm"] < m["random"]


@pytest.mark.parametrize("metric", ["pi_010@1", "pi_005@1", "mv_pi_scene@1", "xv_pi@1"])
def test_truth_has_every_inlier_and_random_fewer_than_noise(mean, metric):
    m = mean[metric]
    assert m["ground_truth"] == 100
    assert m["random"] < m["gt_noise_1cm"]
    assert m["random"] < m["frozen"]


def test_reprojection(mean):
    m = mean["reproj_px@2"]
    assert m["ground_truth"] < 1e-3 < m["gt_noise_1cm"] < m["random"]


def test_smoothness_is_read_against_the_truth(rows, mean):
    m = mean["smoothness@2"]
    assert m["frozen"] == 0
    details = rows[rows["metric"] == "smoothness@2"].set_index(["method", "clip"])["details"].map(json.loads)
    ratio = details.map(lambda d: d["ratio"])
    assert ratio["ground_truth"].sub(1).abs().max() < 1e-4
    assert ratio["gt_noise_1cm"].min() > 3


def test_accel_error_penalises_a_frozen_frame(mean):
    m = mean["accel_error@2"]
    assert m["ground_truth"] < ZERO["accel_error@2"] < min(m["frozen"], m["gt_noise_1cm"])


def test_a_frozen_frame_follows_no_motion_and_the_truth_all_of_it(mean):
    m = mean["motion_following@1"]
    assert m["ground_truth"] == pytest.approx(1.0, abs=1e-4)
    assert m["gt_noise_1cm"] > 0.9 > 0.5 > m["random"]
    assert m["frozen"] == pytest.approx(0.0, abs=1e-6)


def test_hands_touch_their_objects_in_the_truth_and_points_without_a_shape_touch_nothing(mean):
    m = mean["contact_accuracy@1"]
    assert m["ground_truth"] == 1 > 0 == m["gt_shuffled"] == m["random"]
    assert mean["contact_depth_error@1"]["ground_truth"] < ZERO["chamfer@2"]


def test_stillness_has_no_dynamic_degree(mean):
    assert mean["dynamic_degree/dis@2"]["frozen"] == 0
    px = mean["dynamic_degree_px/dis@2"]
    assert px["frozen"] < px["ground_truth"]


@pytest.mark.parametrize("matcher", ["sift-mnn", "xfeat"])
def test_matching_pixels(mean, matcher):
    assert mean[f"matching_pixels/{matcher}@2"]["ground_truth"] > mean[f"matching_pixels/{matcher}@2"]["random"]


def test_a_frozen_frame_has_no_moving_matches(mean):
    moving = mean["matching_pixels_dyn/sift-mnn@2"]
    assert moving["frozen"] == 0 < moving["ground_truth"]


@pytest.mark.parametrize(("metric", "largest"), [("psnr@1", 60.0), ("ssim@1", 1.0)])
def test_likeness_to_the_true_video(mean, metric, largest):
    m = mean[metric]
    assert m["ground_truth"] == pytest.approx(largest)
    assert largest > m["frozen"] > m["random"]


def test_missing_weights_give_rows_with_the_fetch_command(demo_root, tmp_path):
    """The clips come from the cache through --root, while the cache itself, and with it any fetched weight, is elsewhere."""
    words = ["-m", "hoibench.run", "--method", "frozen", "--limit", "1", "--executor", "inline"]
    words += ["--metrics", "matching_pixels/aliked-mnn", "--root", str(demo_root), "--out", "weightless"]
    env = {**os.environ, "HOIBENCH_WEIGHTS": "", "HOIBENCH_CACHE": str(tmp_path / "nowhere")}
    done = fork_run(words, imports="preimport_run", cwd=tmp_path, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "weightless" / "results.parquet")
    assert set(table["status"]) == {"unavailable"}
    assert table["reason"].str.contains("hoibench weights fetch aliked-n16").all()
    assert table["value"].isna().all()


@pytest.mark.slow
@pytest.mark.field
def test_matching_pixels_with_aliked(tmp_path, field_data, demo_root):
    """Only on three clips, since the network is slow on a CPU."""
    words = [sys.executable, "-m", "hoibench.run", "--method", "frozen", "--limit", "3", "--out", "r"]
    words += ["--metrics", "matching_pixels/aliked-mnn,matching_pixels_dyn/aliked-mnn"]
    env = {**os.environ, "HOIBENCH_WEIGHTS": str(field_data / "aliked"), "HOIBENCH_CACHE": str(demo_root)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "r" / "results.parquet")
    table = table[table["view"].isna() & table["pair"].isna() & (table["region"] == "full")]
    mean = table.groupby(["metric", "method"])["value"].mean()
    assert mean["matching_pixels/aliked-mnn@2"]["ground_truth"] > mean["matching_pixels/aliked-mnn@2"]["random"]
    moving = mean["matching_pixels_dyn/aliked-mnn@2"]
    assert moving["frozen"] == 0 < moving["ground_truth"]
