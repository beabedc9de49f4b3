"""Runs in this process: files, resuming, shards and records."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_runs import RecordingListener, headline_rows, run_toy

from hoibench.datasets.registry import open_dataset
from hoibench.errors import Crash
from hoibench.evaluation import scorer
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.measure import measure
from hoibench.evaluation.merge import merge
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run
from hoibench.results.score_file import append_metric, read_scores

pytestmark = pytest.mark.usefixtures("toy")


def test_a_run_writes_all_its_files(tmp_path):
    outcome, reports = run_toy(tmp_path / "r", limit=2)
    assert outcome.exit_code == 0
    assert outcome.units == 2 * 8
    assert [report.stage for report in reports] == ["generate"] * 2 + ["score"] * 16
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    assert record["exit"] == {"status": "done", "failures": []}
    assert [m["id"] for m in record["methods"]][:2] == ["still", "frozen_self/still"]
    table = headline_rows(tmp_path / "r")
    assert len(table) == 16 * 2
    assert (table["status"] == "ok").all()
    assert table.loc[("ground_truth", slice(None), 0, "rpe@2"), "value"].max() < 1e-4
    assert (tmp_path / "r" / "log.txt").is_file()


def test_a_second_call_does_no_work(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "r" / "predictions").rglob("*") if p.is_file()}
    _, reports = run_toy(tmp_path / "r", limit=2)
    assert not any(report.did_work for report in reports)
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_resuming_redoes_only_what_is_missing(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    before = headline_rows(tmp_path / "r")
    unit = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    lines = unit.read_bytes().splitlines(keepends=True)
    unit.write_bytes(lines[0] + lines[1][:40])
    deleted = next((tmp_path / "r" / "predictions" / "random" / "seed-0").glob("*/prediction.json"))
    deleted.unlink()
    _, reports = run_toy(tmp_path / "r", limit=2)
    assert sorted((report.unit.method, report.stage) for report in reports if report.did_work) == [
        ("random", "score"), ("still", "score"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "r"), before)


def test_a_complete_unit_is_not_read_again(tmp_path, monkeypatch):
    run_toy(tmp_path / "r", limit=1)
    monkeypatch.setattr("hoibench.evaluation.scorer.Scorer.run", None)
    outcome, reports = run_toy(tmp_path / "r", limit=1)
    assert outcome.exit_code == 0 and not any(report.did_work for report in reports)


def test_a_new_prediction_is_scored_again(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    record = next((tmp_path / "r" / "predictions" / "still" / "seed-0").glob("*/prediction.json"))
    scores = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    record.unlink()
    before = scores.stat().st_mtime_ns
    run_toy(tmp_path / "r", limit=1)
    assert scores.stat().st_mtime_ns > before


@pytest.mark.parametrize("status", ["unavailable", "error"])
def test_rows_with_a_retried_status_are_scored_again(tmp_path, status):
    run_toy(tmp_path / "r", limit=1)
    scores = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    rows_by_metric = read_scores(scores)
    absent = {"value": None, "status": status, "reason": "no weights, or a mistake"}
    rows_by_metric["rpe@2"] = [row.model_copy(update=absent) for row in rows_by_metric["rpe@2"]]
    scores.unlink()
    for metric, rows in rows_by_metric.items():
        append_metric(scores, metric, rows)
    _, reports = run_toy(tmp_path / "r", limit=1)
    assert [report.unit.method for report in reports if report.did_work] == ["still"]
    assert headline_rows(tmp_path / "r").loc[("still", slice(None), 0, "rpe@2"), "status"].tolist() == ["ok"]


def test_other_settings_are_refused_with_the_differences(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    before = (tmp_path / "r" / "run.json").read_bytes()
    with pytest.raises(RunRefused, match=r"(?s)other settings.*metrics: without chamfer@2.*--no-resume"):
        run_toy(tmp_path / "r", limit=2, metrics="rpe")
    assert (tmp_path / "r" / "run.json").read_bytes() == before


def test_no_resume_renames_the_earlier_run(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    run_toy(tmp_path / "r", limit=1, metrics="rpe", resume=False)
    assert (tmp_path / "r.old-1" / "results.parquet").is_file()
    assert set(headline_rows(tmp_path / "r").index.get_level_values("metric")) == {"rpe@2"}


def test_shards_merge_into_the_same_table(tmp_path):
    run_toy(tmp_path / "unsharded")
    for i in (1, 2):
        outcome, _ = run_toy(tmp_path / "parts", shard=f"{i}/2")
        assert outcome.is_shard
        if i == 1:
            with pytest.raises(RunRefused, match=r"has no run\.2of2\.json"):
                merge(tmp_path / "parts")
    assert merge(tmp_path / "parts").exit_code == 0
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "parts"), headline_rows(tmp_path / "unsharded"))
    with pytest.raises(RunRefused, match="another number of shards"):
        run_toy(tmp_path / "parts", shard="1/3")


def test_merging_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        merge(tmp_path)


def test_the_record_tells_ctrl_c_from_a_crash(tmp_path):
    for error, status in ((KeyboardInterrupt, "interrupted"), (RuntimeError, "stopped")):

        class Breaking(RecordingListener):
            def on_report(self, report, error=error):
                raise error

        config = RunConfig(out=tmp_path / status, dataset="toy", method=("still",), metrics="rpe", executor="inline")
        with pytest.raises((KeyboardInterrupt, Crash)):
            run(make_plan(config, open_dataset("toy", None), "cpu"), Breaking())
        assert json.loads((tmp_path / status / "run.json").read_text())["exit"]["status"] == status


def test_each_seed_has_its_own_rows(tmp_path):
    run_toy(tmp_path / "r", limit=1, seed=(0, 1))
    values = headline_rows(tmp_path / "r").loc[("random", slice(None), slice(None), "rpe@2"), "value"]
    assert len(values) == 2
    assert np.ptp(values.to_numpy()) > 0


def test_a_shard_cannot_rename_the_other_shards(tmp_path):
    run_toy(tmp_path / "r", shard="1/2")
    with pytest.raises(ValueError, match="would also rename the other shards"):
        run_toy(tmp_path / "r", shard="2/2", resume=False)
    assert (tmp_path / "r" / "run.1of2.json").is_file()


def test_the_record_keeps_the_provenance_of_earlier_parts(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    path = tmp_path / "r" / "run.json"
    record = json.loads(path.read_text())
    record["provenance"]["git"] = {"commit": "0" * 40, "dirty": False}
    path.write_text(json.dumps(record))
    run_toy(tmp_path / "r", limit=1)
    run_toy(tmp_path / "r", limit=1)
    earlier = json.loads(path.read_text())["earlier_provenance"]
    assert [facts["git"]["commit"] for facts in earlier] == ["0" * 40]


def test_a_failed_unit_has_rows_of_the_same_metrics_and_regions_as_a_good_one(tmp_path):
    """The clips have no masks, so the foreground does not apply to the good unit; before, it had no such rows, and the failed one had."""
    run_toy(tmp_path / "r", method=("picky",), metrics="offline")
    rows = headline_rows(tmp_path / "r").loc["picky"].reset_index()
    assert len({frozenset(zip(part["metric"], part["region"], strict=True)) for _, part in rows.groupby("clip")}) == 1
    statuses = rows[rows["region"] == "fg"].groupby("clip")["status"].unique().map(list).to_dict()
    assert statuses == {f"clip_{i}": ["not_applicable" if i in (0, 5) else "failed"] for i in range(6)}


def test_the_same_video_is_measured_once_unless_masks_differ(tmp_path, monkeypatch):
    measured = []

    def counting(case, card):
        measured.append(case.prediction.masks is not None)
        return measure(case, card)

    monkeypatch.setattr(scorer, "measure", counting)
    run_toy(tmp_path / "r", limit=1, method=("masked", "still"), seed=(0, 1), metrics="dynamic_degree/dis")
    own = [masked for masked in measured if masked]
    assert len(own) == 4, "two seeds, each with its first frame held"
    others = {"the truth's rows", "still and frozen", "frozen_self/still", "random of seed 0", "random of seed 1"}
    assert len(measured) - len(own) == len(others)
