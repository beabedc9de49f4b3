"""Failures of units: their reasons, statuses and counts."""

import re
import sys

import pandas as pd
import pytest
from rich.console import Console
from toy_runs import headline_rows, run_toy

from hoibench.cli.run import report
from hoibench.evaluation.merge import merge
from leaderboard.build import build

pytestmark = pytest.mark.usefixtures("toy")


def test_failures_are_counted_and_have_reasons(tmp_path):
    outcome, _ = run_toy(tmp_path / "r", method=("picky",))
    assert outcome.exit_code == 3
    reasons = {failure.unit: failure for failure in outcome.failures}
    assert reasons["picky/seed-0/clip_1"].reason.startswith("RuntimeError: clip_1 is not to my taste (methods.py:")
    assert "view 1, frame 2, point 3" in reasons["picky/seed-0/clip_2"].reason
    assert "video has shape (2, 5, 32, 48, 3), expected (2, 6, 32, 48, 3)" in reasons["picky/seed-0/clip_3"].reason
    assert reasons["picky/seed-0/clip_4"].reason.endswith(
        "has the outputs video, but the spec of picky declares video, tracks"
    )
    assert {failure.stage for failure in outcome.failures} == {"generate"}
    table = headline_rows(tmp_path / "r")
    failed = table.loc[("picky", "clip_1", 0, "rpe@2")]
    assert (failed["status"], pd.isna(failed["value"])) == ("failed", True)
    assert "taste" in failed["reason"]
    assert table.loc[("picky", "clip_0", 0, "rpe@2"), "status"] == "ok"
    assert not any("frozen_self/picky" in unit for unit in reasons), "a failure counts once"
    assert table.loc[("frozen_self/picky", "clip_1", 0, "rpe@2"), "status"] == "failed"


def test_a_method_that_cannot_be_loaded_has_no_number_and_its_reason_ends_the_run(tmp_path, monkeypatch, capsys):
    def load(*_):
        raise MemoryError("no memory for 5 GB")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hoibench.evaluation.generator.load_method", load)
    outcome, _ = run_toy(tmp_path / "r", limit=2)
    page = build([tmp_path / "r"], tmp_path / "r" / "leaderboard")
    assert report(outcome, page, False, Console(stderr=True, width=80), sys.stdout) == 3
    printed = capsys.readouterr()
    assert printed.out == "r/leaderboard/index.html\n"
    assert re.search(
        r"^still failed on 2 of 2 clips, stage \w+\n  MemoryError: no memory for 5 GB", printed.err, re.MULTILINE
    )
    rows = re.findall(r'<tr class="row"[^>]*>.*?</tr>', page.read_text(), re.DOTALL)
    failed = [row for row in rows if "still" in row.partition("<td")[0].lower()]
    assert len(failed) == 2, "the method, and its own first frame"
    for row in failed:
        cells = [re.sub("<sup>.*?</sup>|<[^>]*>", "", cell) for cell in re.findall("<td.*?</td>", row, re.DOTALL)]
        assert set(cells) == {"failed 0/2"}


def test_allowed_failures_exit_with_0(tmp_path):
    outcome, _ = run_toy(tmp_path / "r", method=("picky",), max_failures="4")
    assert (len(outcome.failures), outcome.exit_code) == (4, 0)


def test_failed_units_are_tried_again(tmp_path):
    run_toy(tmp_path / "r", method=("picky",))
    _, reports = run_toy(tmp_path / "r", method=("picky",))
    assert sum(report.did_work for report in reports) == 8


def test_a_truncated_video_fails_only_its_clip(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    folder = tmp_path / "r" / "predictions" / "still"
    broken = sorted(folder.glob("seed-0/*/view-1.mp4"))[0]
    broken.write_bytes(broken.read_bytes()[:-400])
    outcome, _ = run_toy(tmp_path / "again", limit=2, method=(f"copy={folder}",))
    mine = [f for f in outcome.failures if f.unit.startswith("copy/")]
    assert len(mine) == 1
    assert "view-1.mp4" in mine[0].reason


def test_a_method_cannot_change_the_truth(tmp_path):
    run_toy(tmp_path / "polite", limit=1)
    run_toy(tmp_path / "rude", limit=1, method=("rude",))
    polite, rude = (headline_rows(tmp_path / name)["value"] for name in ("polite", "rude"))
    for reference in ("ground_truth", "gt_noise_1cm", "frozen", "random"):
        pd.testing.assert_series_equal(polite[reference], rude[reference])


def test_a_method_that_exits_fails_only_its_unit(tmp_path):
    outcome, _ = run_toy(tmp_path / "r", method=("leaving",), limit=6)
    (failure,) = outcome.failures
    assert failure.reason.startswith("SystemExit: 0 (methods.py:")


def test_an_exception_of_the_scorer_is_not_the_methods_fault(tmp_path, monkeypatch):
    def fail(case):
        raise MemoryError("no room")
        yield

    monkeypatch.setattr("hoibench.metrics.rpe.measure_rpe", fail)
    outcome, _ = run_toy(tmp_path / "r", limit=1)
    assert outcome.exit_code == 3
    table = headline_rows(tmp_path / "r")
    assert set(table.loc[(slice(None), slice(None), slice(None), "rpe@2"), "status"]) == {"error"}
    monkeypatch.undo()
    outcome, _ = run_toy(tmp_path / "r", limit=1)
    assert outcome.exit_code == 0
    assert (headline_rows(tmp_path / "r")["status"] == "ok").all()


def test_metrics_that_raise_are_failures(tmp_path, monkeypatch):
    def fail(case):
        raise ZeroDivisionError("by nought")
        yield

    monkeypatch.setattr("hoibench.metrics.rpe.measure_rpe", fail)
    outcome, _ = run_toy(tmp_path / "r", limit=1)
    assert outcome.exit_code == 3
    assert "1 metric failed; rpe@2: ZeroDivisionError: by nought" in outcome.failures[0].reason
    table = headline_rows(tmp_path / "r")
    assert set(table.loc[(slice(None), slice(None), slice(None), "chamfer@2"), "status"]) == {"ok"}


def test_a_damaged_score_file_is_renamed(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    before = headline_rows(tmp_path / "r")
    path = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    path.write_bytes(b"{]\n" + path.read_bytes())
    merge(tmp_path / "r")
    assert set(headline_rows(tmp_path / "r").loc["still", "status"]) == {"error"}
    run_toy(tmp_path / "r", limit=1)
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "r"), before)
    assert path.with_name(path.name + ".damaged").is_file()


def test_merging_an_incomplete_run_gives_the_missing_units_a_reason(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    deleted = next((tmp_path / "r" / "scores" / "random" / "seed-0").glob("*.jsonl"))
    deleted.unlink()
    outcome = merge(tmp_path / "r")
    assert outcome.exit_code == 3
    assert outcome.failures[0].reason == "the run stopped before it reached this unit"


def test_a_merge_counts_unreadable_rows_as_failures(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    path = next((tmp_path / "r" / "scores" / "still" / "seed-0").glob("*.jsonl"))
    content = path.read_bytes()
    for rows, words in (
        (content + b"garbage\xff\n", "delete the file to score the clip again"),
        (
            content.replace(b'"method": "still"', b'"method": "other"'),
            f"{path}:1: a row has method 'other', expected 'still'",
        ),
    ):
        path.write_bytes(rows)
        outcome = merge(tmp_path / "r")
        assert outcome.exit_code == 3 and words in outcome.failures[0].reason
