"""Presets and settings of the entrants of a run, and which of them may change when the run is resumed."""

import json
import shutil

import pandas as pd
import pytest
from toy_runs import headline_rows, run_toy

from hoibench.evaluation.build_run_record import RunRefused
from hoibench.predictions import read_prediction, read_prediction_record

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def checkpoints(tmp_path):
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, number in zip(paths, ("0.5", "0.25"), strict=True):
        path.write_text(number)
    return paths


def test_each_entrant_has_its_own_preset_and_checkpoint(tmp_path, checkpoints):
    one, two = checkpoints
    outcome, _ = run_toy(
        tmp_path / "r", limit=1, method=("tuned+full", "tuned+points", "tuned_too"),
        set=(f"tuned+full.checkpoint={one}", f"tuned+points.checkpoint={two}", f"tuned_too.checkpoint={two}"),
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.failures
    folders = {path.name for path in (tmp_path / "r" / "predictions").iterdir()}
    assert {"tuned+full", "tuned+points", "tuned_too+full"} <= folders
    own = {path.name for path in (tmp_path / "r" / "predictions" / "frozen_self").iterdir()}
    assert own == {"tuned+full", "tuned+points", "tuned_too+full"}

    def tracks(key):
        (folder,) = (tmp_path / "r" / "predictions" / key / "seed-0").iterdir()
        return read_prediction(folder)

    full, points, too = tracks("tuned+full"), tracks("tuned+points"), tracks("tuned_too+full")
    assert (full.tracks - points.tracks).ravel() == pytest.approx(0.25, abs=1e-6)
    assert (points.tracks == too.tracks).all()
    assert points.video is None and full.video is not None
    table = pd.read_parquet(tmp_path / "r" / "results.parquet")
    assert set(table.loc[table["method"] == "tuned", "preset"]) == {"full", "points"}
    assert len(headline_rows(tmp_path / "r").loc["tuned"]) == 2 * 2
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    settings = {(m["id"], m["preset"]): m["settings"] for m in record["methods"]}
    assert settings["tuned", "points"] == {"checkpoint": str(two), "video": True}


def test_a_setting_reaches_the_method(tmp_path, checkpoints):
    settings = (f"tuned.checkpoint={checkpoints[0]}", "tuned.video=false")
    outcome, _ = run_toy(tmp_path / "r", limit=1, method=("tuned",), set=settings)
    assert "has the outputs tracks, but the spec of tuned declares video, tracks" in outcome.failures[0].reason


def test_a_run_resumes_with_another_device_batch_and_path(tmp_path, checkpoints):
    one, two = checkpoints
    two.write_text(one.read_text())
    run_toy(tmp_path / "r", limit=2, method=("tuned",), checkpoint=one, batch=8)
    next((tmp_path / "r" / "scores" / "tuned+full" / "seed-0").glob("*.jsonl")).unlink()
    (tmp_path / "r").rename(tmp_path / "moved")
    outcome, reports = run_toy(
        tmp_path / "moved", device="cuda", limit=2, method=("tuned",), checkpoint=two, batch=2, workers=1,
        set=(f"tuned.python={one}",),
    )  # fmt: skip
    assert outcome.exit_code == 0
    assert [(report.unit.entrant, report.stage) for report in reports if report.did_work] == [("tuned+full", "score")]
    table = headline_rows(tmp_path / "moved")
    assert sorted(table.loc["tuned", "device"].unique()) == ["cpu", "cuda"], "each row keeps the device that made it"
    assert set(table.loc["random", "device"]) == {"cpu"}
    folder = next((tmp_path / "moved" / "predictions" / "tuned+full" / "seed-0").iterdir())
    assert (read_prediction_record(folder).device, read_prediction_record(folder).batch) == ("cpu", 8)


def test_a_checkpoint_is_identified_by_its_contents(tmp_path, checkpoints):
    one, two = checkpoints
    run_toy(tmp_path / "r", limit=1, method=("tuned",), checkpoint=one)
    with pytest.raises(RunRefused, match=r"(?s)changed tuned\+full \(settings: .*--no-resume"):
        run_toy(tmp_path / "r", limit=1, method=("tuned",), checkpoint=two)
    one.write_text("0.75")
    with pytest.raises(RunRefused, match=r"changed tuned\+full \(settings"):
        run_toy(tmp_path / "r", limit=1, method=("tuned",), checkpoint=one)


def test_a_run_on_stored_predictions_resumes_after_they_moved(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    mine = shutil.copytree(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    run_toy(tmp_path / "again", limit=1, method=(f"mine={mine}",))
    moved = mine.rename(tmp_path / "elsewhere")
    _, reports = run_toy(tmp_path / "again", limit=1, method=(f"mine={moved}",))
    assert not any(report.did_work for report in reports)
