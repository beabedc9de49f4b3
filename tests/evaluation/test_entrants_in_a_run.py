"""Several presets and checkpoints in one run; what may change when a run goes on, and what may not."""

import json
import shutil

import pandas as pd
import pytest
from toy_runs import Silent, go, headlines

from hoibench.cli.main import main
from hoibench.evaluation import score
from hoibench.evaluation.measure import measure
from hoibench.evaluation.merge import merge, rescore
from hoibench.evaluation.record import RunRefused
from hoibench.evaluation.run import locked
from hoibench.predictions import read_prediction, read_prediction_record

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def checkpoints(tmp_path):
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, number in zip(paths, ("0.5", "0.25"), strict=True):
        path.write_text(number)
    return paths


def test_two_presets_and_two_methods_with_checkpoints_of_their_own(tmp_path, checkpoints):
    one, two = checkpoints
    outcome, _ = go(
        tmp_path / "r", limit=1, method=("tuned+whole", "tuned+points", "tuned_too"),
        set=(f"tuned+whole.checkpoint={one}", f"tuned+points.checkpoint={two}", f"tuned_too.checkpoint={two}"),
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.failures
    folders = {path.name for path in (tmp_path / "r" / "predictions").iterdir()}
    assert {"tuned+whole", "tuned+points", "tuned_too+whole"} <= folders
    own = {path.name for path in (tmp_path / "r" / "predictions" / "frozen_self").iterdir()}
    assert own == {"tuned+whole", "tuned+points", "tuned_too+whole"}

    def tracks(key):
        (folder,) = (tmp_path / "r" / "predictions" / key / "seed-0").iterdir()
        return read_prediction(folder)

    whole, points, too = tracks("tuned+whole"), tracks("tuned+points"), tracks("tuned_too+whole")
    assert (whole.tracks - points.tracks).ravel() == pytest.approx(0.25, abs=1e-6)
    assert (points.tracks == too.tracks).all()
    assert points.video is None and whole.video is not None
    table = pd.read_parquet(tmp_path / "r" / "results.parquet")
    assert set(table.loc[table["method"] == "tuned", "preset"]) == {"whole", "points"}
    assert len(headlines(tmp_path / "r").loc["tuned"]) == 2 * 2
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    settings = {(m["id"], m["preset"]): m["settings"] for m in record["methods"]}
    assert settings["tuned", "points"] == {"checkpoint": str(two), "video": True}


def test_a_setting_that_is_given_reaches_the_method(tmp_path, checkpoints):
    settings = (f"tuned.checkpoint={checkpoints[0]}", "tuned.video=false")
    outcome, _ = go(tmp_path / "r", limit=1, method=("tuned",), set=settings)
    assert "holds no video" in outcome.failures[0].reason


def test_a_run_goes_on_with_another_device_batch_and_path(tmp_path, checkpoints):
    one, two = checkpoints
    two.write_text(one.read_text())
    go(tmp_path / "r", limit=2, method=("tuned",), checkpoint=one, batch=8)
    next((tmp_path / "r" / "scores" / "tuned+whole" / "seed-0").glob("*.jsonl")).unlink()
    (tmp_path / "r").rename(tmp_path / "moved")
    outcome, reports = go(
        tmp_path / "moved", device="cuda", limit=2, method=("tuned",), checkpoint=two, batch=2, workers=1,
        set=(f"tuned.python={one}",),
    )  # fmt: skip
    assert outcome.exit_code == 0
    assert [(report.unit.entrant, report.stage) for report in reports if report.worked] == [("tuned+whole", "score")]
    table = headlines(tmp_path / "moved")
    assert sorted(table.loc["tuned", "device"].unique()) == ["cpu", "cuda"], "each row keeps the device that made it"
    assert set(table.loc["random", "device"]) == {"cpu"}
    folder = next((tmp_path / "moved" / "predictions" / "tuned+whole" / "seed-0").iterdir())
    assert (read_prediction_record(folder).device, read_prediction_record(folder).batch) == ("cpu", 8)


def test_a_checkpoint_is_known_by_its_contents(tmp_path, checkpoints):
    one, two = checkpoints
    go(tmp_path / "r", limit=1, method=("tuned",), checkpoint=one)
    with pytest.raises(RunRefused, match=r"(?s)other tuned\+whole \(settings: .*--no-resume"):
        go(tmp_path / "r", limit=1, method=("tuned",), checkpoint=two)
    one.write_text("0.75")
    with pytest.raises(RunRefused, match=r"other tuned\+whole \(settings"):
        go(tmp_path / "r", limit=1, method=("tuned",), checkpoint=one)


def test_a_run_on_predictions_goes_on_when_they_have_moved(tmp_path):
    go(tmp_path / "r", limit=1)
    mine = shutil.copytree(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    go(tmp_path / "again", limit=1, method=(f"mine={mine}",))
    moved = mine.rename(tmp_path / "elsewhere")
    _, reports = go(tmp_path / "again", limit=1, method=(f"mine={moved}",))
    assert not any(report.worked for report in reports)


ADAPTER = """
import numpy as np
from hoibench.clip import Prediction
from hoibench.methods.method import Method
from hoibench.methods.spec import Spec

class Grey(Method):
    spec = Spec(id="grey", outputs=("video",), families=("i2v",), view_type="sv")

    def generate(self, request):
        images = np.stack([view.image for view in request.views])
        return Prediction(video=images[:, None].repeat(request.frames, axis=1))
"""


def test_scoring_alone_gives_equal_rows_without_the_method(tmp_path, capsys):
    adapter = tmp_path / "grey.py"
    adapter.write_text(ADAPTER)
    metrics = "rpe,chamfer,smoothness,matching_pixels/sift-mnn"
    out = tmp_path / "r"
    go(out, limit=2, method=("still", "picky"), adapter=(f"{adapter}:Grey",), metrics=metrics, max_failures="9")
    before = pd.read_parquet(out / "results.parquet")
    adapter.unlink()
    predictions = {p: p.stat().st_mtime_ns for p in (out / "predictions").rglob("*") if p.is_file()}
    scores = {p: p.stat().st_mtime_ns for p in (out / "scores").rglob("*.jsonl")}
    (out / "results.parquet").unlink()
    moved = out.rename(tmp_path / "moved")
    code = main(["score", str(moved), "--workers", "1"])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert told.out.strip().endswith("index.html")
    pd.testing.assert_frame_equal(pd.read_parquet(moved / "results.parquet"), before)
    assert all((moved / p.relative_to(out)).stat().st_mtime_ns == t for p, t in predictions.items())
    assert all((moved / p.relative_to(out)).stat().st_mtime_ns > t for p, t in scores.items()), "all were scored anew"
    assert not list(moved.rglob(".tmp-*"))


def test_scoring_alone_says_what_scored_and_keeps_what_made(tmp_path):
    out = tmp_path / "r"
    go(out, limit=1)
    record = json.loads((out / "run.json").read_text())
    record["provenance"]["hoibench"] = "0.0.1"
    (out / "run.json").write_text(json.dumps(record))
    rescore(out, {"batch": 2, "workers": 1}, "cpu", Silent())
    after = json.loads((out / "run.json").read_text())
    assert (after["provenance"]["batch"], after["provenance"]["device"]) == (2, "cpu")
    assert [facts["hoibench"] for facts in after["earlier_provenance"]] == ["0.0.1"]
    assert after["exit"]["status"] == "done"


def test_scoring_alone_refuses_other_truth(tmp_path):
    out = tmp_path / "r"
    go(out, limit=1)
    record = json.loads((out / "run.json").read_text())
    before = (out / "results.parquet").read_bytes()
    (out / "run.json").write_text(json.dumps(record | {"truth_id": "toy@0"}))
    with pytest.raises(RunRefused, match="the data set toy has truth '', not 'toy@0'"):
        rescore(out, {}, "cpu", Silent())
    clips = [record["clips"][0] | {"start": 7}]
    (out / "run.json").write_text(json.dumps(record | {"clips": clips}))
    with pytest.raises(RunRefused, match=f"the data set toy lacks {clips[0]['id']}"):
        rescore(out, {}, "cpu", Silent())
    assert (out / "results.parquet").read_bytes() == before


def test_scoring_alone_and_joining_keep_out_of_a_shard_at_work(tmp_path):
    out = tmp_path / "r"
    for i in (1, 2):
        go(out, shard=f"{i}/2")
    with locked(out, "run.2of2"):
        for act in (merge, lambda folder: rescore(folder, {}, "cpu", Silent())):
            with pytest.raises(RunRefused, match="another process is working on"):
                act(out)
    assert merge(out).exit_code == 0


def test_scoring_alone_spoils_nothing_where_it_cannot_begin(tmp_path, capsys, monkeypatch):
    out = tmp_path / "r"
    go(out, limit=1)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "log.txt"}

    def unreadable(self, entry):
        raise ValueError(f"{entry.id} cannot be read here")

    from toyset.data import Toy

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "load", unreadable)
        with pytest.raises(ValueError, match="cannot be read here"):
            rescore(out, {"workers": 1}, "cpu", Silent())
    for words in (["--metrics", "rpe"], ["--out", "x.parquet"], ["--pairing", "query"], ["--workers", "0"]):
        assert main(["score", str(out), *words]) == 2
        assert words[0] in capsys.readouterr().err
    video = next((out / "predictions" / "still").rglob("view-0.mp4"))
    video.write_bytes(before[video][:-1])
    with pytest.raises(RunRefused, match=r"predictions are damaged \(still/seed-0/clip_\d\): run again"):
        rescore(out, {"workers": 1}, "cpu", Silent())
    video.write_bytes(before[video])
    assert before == {path: path.read_bytes() for path in before}
    assert {p for p in out.rglob("*") if p.is_file()} - set(before) <= {out / "log.txt"}


def test_scoring_alone_counts_its_steps(tmp_path):
    out = tmp_path / "r"
    go(out, limit=2, method=("picky",), seed=(0, 1), max_failures="9")
    listener = Silent()
    rescore(out, {"workers": 1}, "cpu", listener)
    assert len(listener.reports) == listener.steps > 0
    assert all(report.worked for report in listener.reports)


def test_scoring_alone_says_what_it_needs(tmp_path, capsys):
    assert main(["score"]) == 2
    assert "give the folder of a run, or --pred and --truth" in capsys.readouterr().err
    assert main(["score", str(tmp_path), "--pred", str(tmp_path)]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "none")]) == 2
    assert "none: no such folder" in capsys.readouterr().err


def test_the_same_video_is_measured_once_but_not_under_other_masks(tmp_path, monkeypatch):
    measured = []

    def counting(case, card):
        measured.append(case.prediction.masks is not None)
        return measure(case, card)

    monkeypatch.setattr(score, "measure", counting)
    go(tmp_path / "r", limit=1, method=("masked", "still"), seed=(0, 1), metrics="dynamic_degree/dis")
    own = [masked for masked in measured if masked]
    assert len(own) == 4, "two seeds, each with its first frame held"
    others = {"the truth's rows", "still and frozen", "frozen_self/still", "random of seed 0", "random of seed 1"}
    assert len(measured) - len(own) == len(others)
