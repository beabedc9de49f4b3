"""Runs in this process: what is made, what is kept, what fails and how it is told."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.record import RunRefused
from hoibench.evaluation.run import merge, run
from hoibench.results.jsonl import read_scores, write_scores
from hoibench.store import read_npz, write_npz


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
    settings = {"dataset": "toy", "method": ("still",), "metrics": "rpe,chamfer", "executor": "inline"} | settings
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
    assert reasons["picky/seed-0/clip_4"]["reason"].endswith("this prediction holds no tracks")
    assert {failure["stage"] for failure in outcome.failures} == {"generate"}
    table = headlines(tmp_path / "r")
    failed = table.loc[("picky", "clip_1", 0, "rpe@1")]
    assert (failed["status"], pd.isna(failed["value"])) == ("failed", True)
    assert "taste" in failed["reason"]
    assert table.loc[("picky", "clip_0", 0, "rpe@1"), "status"] == "ok"
    assert not any("frozen_self/picky" in unit for unit in reasons), "a failure counts once"
    assert table.loc[("frozen_self/picky", "clip_1", 0, "rpe@1"), "status"] == "failed"


def test_forgiven_failures_exit_with_0(tmp_path):
    outcome, _ = go(tmp_path / "r", method=("picky",), max_failures="4")
    assert (len(outcome.failures), outcome.exit_code) == (4, 0)


def test_what_failed_is_tried_again(tmp_path):
    go(tmp_path / "r", method=("picky",))
    _, reports = go(tmp_path / "r", method=("picky",))
    assert sum(report.worked for report in reports) == 8


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


def test_a_method_cannot_write_into_the_truth(tmp_path):
    go(tmp_path / "polite", limit=1)
    go(tmp_path / "rude", limit=1, method=("rude",))
    polite, rude = (headlines(tmp_path / name)["value"] for name in ("polite", "rude"))
    for reference in ("ground_truth", "gt_noise_1cm", "frozen", "random"):
        pd.testing.assert_series_equal(polite[reference], rude[reference])


def test_a_method_that_leaves_fails_alone(tmp_path):
    outcome, _ = go(tmp_path / "r", method=("leaving",), limit=6)
    assert [failure["reason"] for failure in outcome.failures] == ["SystemExit: 0"]


def _copy_of(folder, target):
    shutil.copytree(folder, target)
    return target


def test_changed_predictions_are_not_taken_for_the_old_ones(tmp_path):
    go(tmp_path / "r", limit=1)
    mine = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    go(tmp_path / "again", limit=1, method=(f"mine={mine}",))
    tracks = next(mine.glob("*/tracks.npz"))
    arrays = read_npz(tracks)
    write_npz(tracks, arrays | {"tracks": arrays["tracks"] * 3})
    with pytest.raises(RunRefused, match=r"other mine \(content: \w+ -> \w+\)"):
        go(tmp_path / "again", limit=1, method=(f"mine={mine}",))


def test_one_set_of_predictions_is_one_seed(tmp_path):
    go(tmp_path / "r", limit=1)
    plain = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "plain")
    go(tmp_path / "a", limit=1, method=(f"mine={plain}",), seed=(0, 1, 2))
    assert headlines(tmp_path / "a").loc["mine"].index.get_level_values("seed").unique().tolist() == [0]
    outcome, _ = go(
        tmp_path / "b", limit=1, method=(f"mine={plain.parent / 'r' / 'predictions' / 'still'}",), seed=(0, 1)
    )
    assert [failure["unit"].split("/")[1] for failure in outcome.failures] == ["seed-1"]


def test_the_scale_of_a_folder_is_heeded(tmp_path):
    go(tmp_path / "r", limit=1)
    mine = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    (mine / "spec.toml").write_text('id = "mine"\npairing = "query"\noutputs = ["video", "tracks"]\nscale = "shared"\n')
    outcome, _ = go(tmp_path / "a", limit=1, method=(f"mine={mine}",))
    assert "says scale metric" in outcome.failures[0]["reason"]
    next(mine.glob("*/prediction.json")).unlink()
    go(tmp_path / "b", limit=1, method=(f"mine={mine}",))
    assert headlines(tmp_path / "b").loc["mine", "alignment"].iloc[0] == "shared"


def test_a_frozen_self_follows_its_method(tmp_path):
    go(tmp_path / "r", limit=1)
    next((tmp_path / "r" / "predictions" / "still" / "seed-0").glob("*/prediction.json")).unlink()
    _, reports = go(tmp_path / "r", limit=1)
    assert [report.unit.method for report in reports if report.worked] == ["still", "frozen_self/still"]
    outcome, _ = go(tmp_path / "s", limit=1, method=("frozen", "frozen_self/frozen"), seed=(0, 1))
    assert outcome.exit_code == 0


def test_a_scorer_that_breaks_is_not_the_methods_fault(tmp_path, monkeypatch):
    def breaks(case):
        raise MemoryError("no room")
        yield

    monkeypatch.setattr("hoibench.metrics.rpe.measure_rpe", breaks)
    outcome, _ = go(tmp_path / "r", limit=1)
    assert outcome.exit_code == 3
    table = headlines(tmp_path / "r")
    assert set(table.loc[(slice(None), slice(None), slice(None), "rpe@1"), "status"]) == {"error"}
    monkeypatch.undo()
    outcome, _ = go(tmp_path / "r", limit=1)
    assert outcome.exit_code == 0
    assert (headlines(tmp_path / "r")["status"] == "ok").all()


def test_metrics_that_raise_count_too(tmp_path, monkeypatch):
    def breaks(case):
        raise ZeroDivisionError("by nought")
        yield

    monkeypatch.setattr("hoibench.metrics.rpe.measure_rpe", breaks)
    outcome, _ = go(tmp_path / "r", limit=1)
    assert outcome.exit_code == 3
    assert "1 metrics broke; rpe@1: ZeroDivisionError: by nought" in outcome.failures[0]["reason"]
    table = headlines(tmp_path / "r")
    assert set(table.loc[(slice(None), slice(None), slice(None), "chamfer@1"), "status"]) == {"ok"}


def test_a_broken_score_file_is_set_aside(tmp_path):
    go(tmp_path / "r", limit=1)
    whole = headlines(tmp_path / "r")
    path = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    path.write_bytes(b"{]\n" + path.read_bytes())
    merge(tmp_path / "r")
    assert set(headlines(tmp_path / "r").loc["still", "status"]) == {"error"}
    go(tmp_path / "r", limit=1)
    pd.testing.assert_frame_equal(headlines(tmp_path / "r"), whole)
    assert path.with_name(path.name + ".broken").is_file()


def test_merging_a_part_says_what_is_missing(tmp_path):
    go(tmp_path / "r", limit=2)
    gone = next((tmp_path / "r" / "scores" / "random" / "seed-0").glob("*.jsonl"))
    gone.unlink()
    outcome = merge(tmp_path / "r")
    assert outcome.exit_code == 3
    assert outcome.failures[0]["reason"] == "the run stopped before this unit was done"


def test_a_merge_counts_rows_that_cannot_be_read(tmp_path):
    go(tmp_path / "r", limit=1)
    path = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b"garbage\xff\n")
    outcome = merge(tmp_path / "r")
    assert outcome.exit_code == 3
    assert "delete the file to score the clip again" in outcome.failures[0]["reason"]


def test_shards_never_set_each_other_aside(tmp_path):
    go(tmp_path / "r", shard="1/2")
    with pytest.raises(ValueError, match="would set the other shards aside"):
        go(tmp_path / "r", shard="2/2", resume=False)
    assert (tmp_path / "r" / "run.1of2.json").is_file()


def test_what_made_the_earlier_parts_is_kept(tmp_path):
    go(tmp_path / "r", limit=1)
    path = tmp_path / "r" / "run.json"
    record = json.loads(path.read_text())
    record["provenance"]["git"] = {"commit": "0" * 40, "dirty": False}
    path.write_text(json.dumps(record))
    go(tmp_path / "r", limit=1)
    go(tmp_path / "r", limit=1)
    earlier = json.loads(path.read_text())["earlier"]
    assert [facts["git"]["commit"] for facts in earlier] == ["0" * 40]
