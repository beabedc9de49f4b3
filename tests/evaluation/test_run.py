"""Runs in this process: what is made, what is kept, what fails and how it is told."""

import json

import numpy as np
import pandas as pd
import pytest

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.record import RunRefused
from hoibench.evaluation.run import merge, run
from hoibench.results.jsonl import read_scores, write_scores


class Silent:
    def __init__(self):
        self.reports = []

    def started(self, plan):
        pass

    def reported(self, report):
        self.reports.append(report)

    def stopped(self):
        pass


def go(out, **settings):
    settings = {"dataset": "toy", "method": ("still",), "metrics": "rpe,chamfer", "workers": 1} | settings
    config = RunConfig(out=out, **settings)
    listener = Silent()
    outcome = run(make_plan(config, open_dataset("toy", None), "cpu"), listener)
    return outcome, listener.reports


def headlines(out):
    table = pd.read_parquet(out / "results.parquet")
    table = table[table["view"].isna() & table["pair"].isna() & table["part"].isna() & table["frame"].isna()]
    return table.set_index(["method", "clip", "seed", "metric"]).sort_index()


pytestmark = pytest.mark.usefixtures("toy")


def test_a_run_makes_everything_it_says(tmp_path):
    outcome, reports = go(tmp_path / "r", limit=2)
    assert outcome.exit_code == 0
    assert len(reports) == outcome.units == 2 * 8
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    assert record["exit"] == {"status": "done", "failures": []}
    assert [m["id"] for m in record["methods"]][:2] == ["still", "frozen_self/still"]
    table = headlines(tmp_path / "r")
    assert len(table) == 16 * 2
    assert (table["status"] == "ok").all()
    assert table.loc[("ground_truth", slice(None), 0, "rpe@1"), "value"].max() < 1e-4
    assert (tmp_path / "r" / "log.txt").is_file()


def test_a_second_call_does_nothing_again(tmp_path):
    go(tmp_path / "r", limit=2)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "r" / "predictions").rglob("*") if p.is_file()}
    _, reports = go(tmp_path / "r", limit=2)
    assert not any(report.worked for report in reports)
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_resuming_redoes_only_what_is_missing(tmp_path):
    go(tmp_path / "r", limit=2)
    whole = headlines(tmp_path / "r")
    unit = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    lines = unit.read_bytes().splitlines(keepends=True)
    unit.write_bytes(lines[0] + lines[1][:40])
    gone = next((tmp_path / "r" / "predictions" / "random" / "seed-0").glob("*/prediction.json"))
    gone.unlink()
    _, reports = go(tmp_path / "r", limit=2)
    assert sum(report.worked for report in reports) == 2
    pd.testing.assert_frame_equal(headlines(tmp_path / "r"), whole)


def test_a_new_prediction_is_scored_anew(tmp_path):
    go(tmp_path / "r", limit=1)
    record = next((tmp_path / "r" / "predictions" / "still" / "seed-0").glob("*/prediction.json"))
    scores = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    record.unlink()
    before = scores.stat().st_mtime_ns
    go(tmp_path / "r", limit=1)
    assert scores.stat().st_mtime_ns > before


def test_rows_without_weights_are_tried_again(tmp_path):
    go(tmp_path / "r", limit=1)
    scores = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    kept = read_scores(scores)
    from dataclasses import replace

    kept["rpe@1"] = [replace(row, value=None, status="unavailable", reason="no weights") for row in kept["rpe@1"]]
    write_scores(scores, kept)
    _, reports = go(tmp_path / "r", limit=1)
    assert [report.unit.method for report in reports if report.worked] == ["still"]
    assert headlines(tmp_path / "r").loc[("still", slice(None), 0, "rpe@1"), "status"].tolist() == ["ok"]


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    go(tmp_path / "r", limit=2)
    before = (tmp_path / "r" / "run.json").read_bytes()
    with pytest.raises(RunRefused, match=r"(?s)other settings.*metrics: without chamfer@1.*--no-resume"):
        go(tmp_path / "r", limit=2, metrics="rpe")
    assert (tmp_path / "r" / "run.json").read_bytes() == before


def test_no_resume_sets_the_old_run_aside(tmp_path):
    go(tmp_path / "r", limit=1)
    go(tmp_path / "r", limit=1, metrics="rpe", resume=False)
    assert (tmp_path / "r.old-1" / "results.parquet").is_file()
    assert set(headlines(tmp_path / "r").index.get_level_values("metric")) == {"rpe@1"}


def test_failures_are_counted_told_and_never_silent(tmp_path):
    outcome, _ = go(tmp_path / "r", method=("picky",))
    assert outcome.exit_code == 3
    reasons = {failure["unit"]: failure for failure in outcome.failures}
    assert reasons["picky/seed-0/clip_1"]["reason"] == "RuntimeError: clip_1 is not to my taste"
    assert "view 1, frame 2, point 3" in reasons["picky/seed-0/clip_2"]["reason"]
    assert "video has shape (2, 5, 32, 48, 3), expected (2, 6, 32, 48, 3)" in reasons["picky/seed-0/clip_3"]["reason"]
    assert {failure["stage"] for failure in outcome.failures} == {"generate"}
    table = headlines(tmp_path / "r")
    failed = table.loc[("picky", "clip_1", 0, "rpe@1")]
    assert (failed["status"], pd.isna(failed["value"])) == ("failed", True)
    assert "taste" in failed["reason"]
    assert table.loc[("picky", "clip_0", 0, "rpe@1"), "status"] == "ok"
    assert any("frozen_self/picky" in unit for unit in reasons)


def test_forgiven_failures_exit_with_0(tmp_path):
    outcome, _ = go(tmp_path / "r", method=("picky",), max_failures="6")
    assert (len(outcome.failures), outcome.exit_code) == (6, 0)


def test_what_failed_is_tried_again(tmp_path):
    go(tmp_path / "r", method=("picky",))
    _, reports = go(tmp_path / "r", method=("picky",))
    assert sum(report.worked for report in reports) == 6


def test_precomputed_predictions_are_scored_in_place_of_a_method(tmp_path):
    go(tmp_path / "r", limit=2)
    folder = tmp_path / "r" / "predictions" / "still"
    outcome, _ = go(tmp_path / "again", limit=2, method=(f"copy={folder}",))
    first, second = headlines(tmp_path / "r"), headlines(tmp_path / "again")
    assert outcome.exit_code == 0
    assert first.loc["still", "value"].tolist() == second.loc["copy", "value"].tolist()


def test_a_truncated_video_fails_its_clip_alone(tmp_path):
    go(tmp_path / "r", limit=2)
    folder = tmp_path / "r" / "predictions" / "still"
    broken = sorted(folder.glob("seed-0/*/view-1.mp4"))[0]
    broken.write_bytes(broken.read_bytes()[:-400])
    outcome, _ = go(tmp_path / "again", limit=2, method=(f"copy={folder}",))
    mine = [f for f in outcome.failures if f["unit"].startswith("copy/")]
    assert len(mine) == 1
    assert "view-1.mp4" in mine[0]["reason"]


def test_shards_merge_into_the_same_table(tmp_path):
    go(tmp_path / "whole")
    for i in (1, 2):
        outcome, _ = go(tmp_path / "parts", shard=f"{i}/2")
        assert not outcome.whole
        if i == 1:
            with pytest.raises(RunRefused, match=r"lacks run\.2of2\.json"):
                merge(tmp_path / "parts")
    assert merge(tmp_path / "parts").exit_code == 0
    pd.testing.assert_frame_equal(headlines(tmp_path / "parts"), headlines(tmp_path / "whole"))
    with pytest.raises(RunRefused, match="split another way"):
        go(tmp_path / "parts", shard="1/3")


def test_merge_of_nothing_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        merge(tmp_path)


def test_seeds_make_rows_of_their_own(tmp_path):
    go(tmp_path / "r", limit=1, seed=(0, 1))
    values = headlines(tmp_path / "r").loc[("random", slice(None), slice(None), "rpe@1"), "value"]
    assert len(values) == 2
    assert np.ptp(values.to_numpy()) > 0
