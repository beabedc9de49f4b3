"""``hoibench score --pred --truth``."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from hoibench.cli.main import main
from hoibench.clip_file import write_clip
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.reference_predictions import build_reference
from hoibench.predictions import write_prediction
from hoibench.store import read_npz, write_npz

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def words(tmp_path):
    """Two clips and their predictions; the words of a command that scores them."""
    dataset = open_dataset("toy", None)
    for entry in dataset.manifest("demo").entries[:2]:
        clip = dataset.load(entry)
        write_clip(tmp_path / "truth" / clip.id, clip)
        write_prediction(tmp_path / "pred" / clip.id, build_reference("gt_scaled_0.9", clip, 0), clip.fps)
    return ["score", "--pred", str(tmp_path / "pred"), "--truth", str(tmp_path / "truth"), "--metrics", "rpe"]


def shift_anchors(folder, pixels):
    (folder / "prediction.json").unlink(missing_ok=True)  # which has the file's size
    arrays = read_npz(folder / "tracks.npz")
    write_npz(folder / "tracks.npz", arrays | {"anchors": arrays["anchors"] + np.float32(pixels)})


def test_folders_are_scored(words, tmp_path, capsys):
    assert main([*words, "--out", str(tmp_path / "rows.parquet"), "--json"]) == 0
    values = [clip["rows"][0]["value"] for clip in json.loads(capsys.readouterr().out)["clips"]]
    assert np.allclose(values, 10, atol=1e-4)
    assert len(pd.read_parquet(tmp_path / "rows.parquet")) == 2 * 3


def test_a_damaged_clip_fails_alone_and_its_rows_give_the_reason(words, tmp_path, capsys):
    (tmp_path / "pred" / "clip_1" / "tracks.npz").write_bytes(b"PK")
    assert main([*words, "--out", str(tmp_path / "rows.parquet")]) == 3
    output = capsys.readouterr()
    assert "failed  clip_1" in output.err
    assert "tracks.npz has 2 bytes, expected " in output.err
    assert "clip_0\n  rpe@2" in output.out
    rows = pd.read_parquet(tmp_path / "rows.parquet").set_index("clip")
    assert rows.loc["clip_1", "status"] == "failed"
    assert "tracks.npz has 2 bytes, expected " in rows.loc["clip_1", "reason"]
    assert set(rows.loc["clip_0", "status"]) == {"ok"}


def test_damaged_truth_is_not_the_methods_fault(words, tmp_path):
    (tmp_path / "truth" / "clip_1" / "clip.json").write_text("{}")
    assert main([*words, "--out", str(tmp_path / "rows.parquet")]) == 3
    rows = pd.read_parquet(tmp_path / "rows.parquet").set_index("clip")
    assert rows.loc["clip_1", "status"] == "error"


def test_a_mistyped_metric_is_reported_once_before_any_clip(words, tmp_path, capsys):
    assert main([*words[:-1], "rpe,chamfr", "--out", str(tmp_path / "rows.parquet")]) == 2
    output = capsys.readouterr()
    assert output.err.count("unknown metric 'chamfr': did you mean chamfer@2") == 1
    assert "failed" not in output.err
    assert not (tmp_path / "rows.parquet").exists()


@pytest.mark.parametrize(("out", "message"), [
    ("rows.xlsx", "rows.xlsx ends with .xlsx, expected .parquet or .csv"),
    ("file/rows.csv", "file is a file: give a writable path"),
])  # fmt: skip
def test_a_file_that_cannot_be_written_is_refused_before_any_clip(words, tmp_path, capsys, out, message):
    (tmp_path / "file").touch()
    shutil.rmtree(tmp_path / "pred")
    assert main([*words, "--out", str(tmp_path / out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --out ") and line.endswith(message)


def test_a_prediction_of_another_length_fails(words, tmp_path, capsys):
    path = tmp_path / "pred" / "clip_0" / "tracks.npz"
    path.with_name("prediction.json").unlink()
    arrays = read_npz(path)
    write_npz(path, arrays | {"tracks": arrays["tracks"][:, :-1]})
    assert main(words) == 3
    assert "failed  clip_0: tracks has shape (2, 5, 40, 3), expected (2, 6, K', 3)" in capsys.readouterr().err


def test_pairing_can_be_chosen(words, tmp_path, capsys):
    def pairings(*more):
        main([*words, "--out", str(tmp_path / "rows.parquet"), *more])
        return set(pd.read_parquet(tmp_path / "rows.parquet").groupby("clip").pairing.first())

    assert pairings() == {"query"}
    assert pairings("--pairing", "anchor") == {"anchor"}
    shift_anchors(tmp_path / "pred" / "clip_0", 0.5)
    assert pairings() == {"query", "anchor"}
    assert pairings("--pairing", "query") == {"query"}


def test_a_truth_folder_must_have_clips(tmp_path, capsys):
    assert main(["score", "--pred", str(tmp_path), "--truth", str(tmp_path)]) == 2
    assert "no clips found" in capsys.readouterr().err


def test_predictions_may_be_missing(words, tmp_path, capsys):
    shutil.rmtree(tmp_path / "pred" / "clip_0")
    assert main(words) == 3
    assert "failed  clip_0" in capsys.readouterr().err


def test_predictions_per_seed_with_a_spec_are_scored(words, tmp_path, capsys):
    pred = tmp_path / "pred"
    for seed in (0, 2):
        shutil.copytree(pred, pred / f"seed-{seed}", ignore=shutil.ignore_patterns("seed-*"))
    shutil.rmtree(pred / "clip_0"), shutil.rmtree(pred / "clip_1"), shutil.rmtree(pred / "seed-2" / "clip_1")
    spec = 'id = "mine"\noutputs = ["tracks"]\npairing = "anchor"\n'
    (pred / "spec.toml").write_text(spec)
    assert main([*words, "--out", str(tmp_path / "rows.csv"), "--json"]) == 3
    clips = json.loads(capsys.readouterr().out)["clips"]
    assert [(clip["clip"], clip["seed"]) for clip in clips] == [(f"clip_{i}", seed) for i in (0, 1) for seed in (0, 2)]
    assert [clip["rows"][0]["status"] for clip in clips] == ["ok", "ok", "ok", "failed"]
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert set(rows.seed) == {0, 2} and set(rows[rows.status == "ok"].pairing) == {"anchor"}
    (pred / "spec.toml").write_text(spec + 'scale = "shared"\n')
    assert main(words) == 3
    assert "says scale metric, " in capsys.readouterr().err
