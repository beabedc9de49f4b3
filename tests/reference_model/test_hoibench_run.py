"""The complete pipeline in a subprocess: command line, request, prediction, rows."""

import json
import os
import subprocess
import sys

import pytest

from hoibench.predictions import read_prediction
from hoibench.results.score_file import read_scores

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    def start(*flags):
        words = ["--dataset", "synthetic", "--root", tmp_path / "data", "--limit", 1, "--out", "r", "--json", *flags]
        command = [sys.executable, "-m", "hoibench.run", "--method", "syncmv4d", "--device", "cpu", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=800)

    return start


@pytest.mark.timeout(1800)  # it may have to train the model, or to wait for another worker that does
def test_from_request_to_rows(run, overfitted, tmp_path):
    done = run("--preset", "nano", "--checkpoint", overfitted.folder, "--metrics", "rpe,chamfer")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == [] and result["status"] == "done"
    (folder,) = (tmp_path / "r" / "predictions" / "syncmv4d+nano" / "seed-0").iterdir()
    prediction = read_prediction(folder)
    assert prediction.tracks.shape == (3, 25, 256, 3) and len(prediction.video) == 3
    (scores,) = (tmp_path / "r" / "scores" / "syncmv4d+nano" / "seed-0").glob("*.jsonl")
    rows = read_scores(scores)
    assert {row.status for each in rows.values() for row in each} == {"ok"}
    assert rows.keys() == {"rpe@2", "chamfer@2"}
    assert "SyncMV4D" in (tmp_path / result["page"]).read_text()


def test_without_a_checkpoint_nothing_is_run(run, tmp_path):
    done = run("--preset", "wan22_5b", "--metrics", "rpe")
    assert done.returncode == 2
    assert "syncmv4d+wan22_5b needs --set syncmv4d+wan22_5b.checkpoint=PATH: Model folder that" in done.stderr
    assert not (tmp_path / "r").exists()
