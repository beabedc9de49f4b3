"""Scoring the stored predictions of a run again."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_runs import RecordingListener, headline_rows, run_toy

from hoibench.cli.main import main
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.merge import merge
from hoibench.evaluation.rescore import rescore
from hoibench.evaluation.run import lock_run
from hoibench.predictions import read_prediction, write_prediction

pytestmark = pytest.mark.usefixtures("toy")


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


def test_rescoring_gives_equal_rows_without_the_method(tmp_path, capsys):
    adapter = tmp_path / "grey.py"
    adapter.write_text(ADAPTER)
    metrics = "rpe,chamfer,smoothness,matching_pixels/sift-mnn"
    out = tmp_path / "r"
    run_toy(out, limit=2, method=("still", "picky"), adapter=(f"{adapter}:Grey",), metrics=metrics, max_failures="9")
    before = pd.read_parquet(out / "results.parquet")
    adapter.unlink()
    predictions = {p: p.stat().st_mtime_ns for p in (out / "predictions").rglob("*") if p.is_file()}
    scores = {p: p.stat().st_mtime_ns for p in (out / "scores").rglob("*.jsonl")}
    (out / "results.parquet").unlink()
    moved = out.rename(tmp_path / "moved")
    code = main(["score", str(moved), "--workers", "1"])
    output = capsys.readouterr()
    assert code == 0, output.err
    assert output.out.strip().endswith("index.html")
    pd.testing.assert_frame_equal(pd.read_parquet(moved / "results.parquet"), before)
    assert all((moved / p.relative_to(out)).stat().st_mtime_ns == t for p, t in predictions.items())
    assert all((moved / p.relative_to(out)).stat().st_mtime_ns > t for p, t in scores.items()), "all were scored anew"
    assert not list(moved.rglob(".tmp-*"))


def test_rescoring_records_its_provenance_and_keeps_the_earlier_one(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=1)
    record = json.loads((out / "run.json").read_text())
    record["provenance"]["hoibench"] = "0.0.1"
    (out / "run.json").write_text(json.dumps(record))
    rescore(out, {"batch": 2, "workers": 1}, "cpu", RecordingListener())
    after = json.loads((out / "run.json").read_text())
    assert (after["provenance"]["batch"], after["provenance"]["device"]) == (2, "cpu")
    assert [facts["hoibench"] for facts in after["earlier_provenance"]] == ["0.0.1"]
    assert after["exit"]["status"] == "done"


@pytest.mark.parametrize("axis", [0, 1], ids=["views", "frames"])
def test_a_stored_prediction_that_does_not_fit_the_clip_fails(tmp_path, axis):
    out = tmp_path / "r"
    run_toy(out, limit=1)
    (tracks,) = out.glob("predictions/still/**/tracks.npz")
    prediction = read_prediction(tracks.parent)
    fewer = {
        name: np.delete(getattr(prediction, name), 0, axis)
        for name in ("tracks", "valid")
        if getattr(prediction, name) is not None
    }
    anchors = prediction.anchors[1:] if axis == 0 else prediction.anchors
    write_prediction(tracks.parent, replace(prediction, video=None, anchors=anchors, **fewer), fps=8.0)
    outcome = rescore(out, {"workers": 1}, "cpu", RecordingListener())
    assert ["tracks has shape" in failure.reason for failure in outcome.failures] == [True]
    assert set(headline_rows(out).loc["still", "status"]) == {"failed"}


def test_rescoring_refuses_other_truth(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=1)
    record = json.loads((out / "run.json").read_text())
    before = (out / "results.parquet").read_bytes()
    (out / "run.json").write_text(json.dumps(record | {"truth_id": "toy@0"}))
    with pytest.raises(RunRefused, match="the data set toy has truth '', not 'toy@0'"):
        rescore(out, {}, "cpu", RecordingListener())
    clips = [record["clips"][0] | {"start": 7}]
    (out / "run.json").write_text(json.dumps(record | {"clips": clips}))
    with pytest.raises(RunRefused, match=f"the data set toy lacks {clips[0]['id']}"):
        rescore(out, {}, "cpu", RecordingListener())
    assert (out / "results.parquet").read_bytes() == before


def test_rescoring_and_merging_refuse_a_locked_shard(tmp_path):
    out = tmp_path / "r"
    for i in (1, 2):
        run_toy(out, shard=f"{i}/2")
    with lock_run(out, "run.2of2"):
        for act in (merge, lambda folder: rescore(folder, {}, "cpu", RecordingListener())):
            with pytest.raises(RunRefused, match="another process is working on"):
                act(out)
    assert merge(out).exit_code == 0


def test_rescoring_changes_nothing_if_it_cannot_start(tmp_path, capsys, monkeypatch):
    out = tmp_path / "r"
    run_toy(out, limit=1)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "log.txt"}

    def unreadable(self, entry):
        raise ValueError(f"{entry.id} cannot be read here")

    from toyset.data import Toy

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "load", unreadable)
        with pytest.raises(ValueError, match="cannot be read here"):
            rescore(out, {"workers": 1}, "cpu", RecordingListener())
    for words in (["--metrics", "rpe"], ["--out", "x.parquet"], ["--pairing", "query"], ["--workers", "0"]):
        assert main(["score", str(out), *words]) == 2
        assert words[0] in capsys.readouterr().err
    video = next((out / "predictions" / "still").rglob("view-0.mp4"))
    video.write_bytes(before[video][:-1])
    with pytest.raises(RunRefused, match=r"predictions are damaged \(still/seed-0/clip_\d\): run again"):
        rescore(out, {"workers": 1}, "cpu", RecordingListener())
    video.write_bytes(before[video])
    assert before == {path: path.read_bytes() for path in before}
    assert {p for p in out.rglob("*") if p.is_file()} - set(before) <= {out / "log.txt"}


def test_rescoring_reports_every_step(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=2, method=("picky",), seed=(0, 1), max_failures="9")
    listener = RecordingListener()
    rescore(out, {"workers": 1}, "cpu", listener)
    assert len(listener.reports) == len(listener.units) > 0
    assert all(report.did_work for report in listener.reports)


def test_the_score_command_names_its_missing_arguments(tmp_path, capsys):
    assert main(["score"]) == 2
    assert "give the folder of a run, or --pred and --truth" in capsys.readouterr().err
    assert main(["score", str(tmp_path), "--pred", str(tmp_path)]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "none")]) == 2
    assert "none is not the folder of a run" in capsys.readouterr().err
