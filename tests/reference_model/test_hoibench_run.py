"""The whole way in a process of its own: a command line, a request, an answer, rows."""

import json
import os
import subprocess
import sys

import pytest

from hoibench.methods.predictions import read_prediction
from hoibench.results.jsonl import read_scores


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """What an installation leaves for ``importlib.metadata``, whatever this environment's is of."""
    root = tmp_path_factory.mktemp("site")
    info = root / "syncmv4d_entry-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: syncmv4d-entry\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hoibench.methods]\nsyncmv4d = reference_model\n")
    return root


def is_installed():
    """Whether this environment knows the method already: an entry point given twice would be refused as a second method of the id."""
    import importlib.metadata

    return any(point.value == "reference_model" for point in importlib.metadata.entry_points(group="hoibench.methods"))


@pytest.fixture
def run(installed, tmp_path):
    def start(*flags):
        words = [
            sys.executable,
            "-m",
            "hoibench.run",
            "--method",
            "syncmv4d",
            "--device",
            "cpu",
            "--json",
            *map(str, flags),
        ]
        paths = [path for path in sys.path if path] + ([] if is_installed() else [str(installed)])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=800)

    return start


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_request_to_rows(run, nano_folder, tmp_path):
    done = run("--preset", "nano", "--checkpoint", nano_folder, "--dataset", "synthetic", "--root", tmp_path / "data",
               "--limit", 1, "--metrics", "rpe,chamfer", "--out", "r")  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failures"] == [] and told["status"] == "done"
    (folder,) = (tmp_path / "r" / "predictions" / "syncmv4d+nano" / "seed-0").iterdir()
    prediction = read_prediction(folder)
    assert prediction.tracks.shape == (3, 25, 256, 3) and len(prediction.video) == 3
    (scores,) = (tmp_path / "r" / "scores" / "syncmv4d+nano" / "seed-0").glob("*.jsonl")
    rows = read_scores(scores)
    assert {row.status for each in rows.values() for row in each} == {"ok"}
    assert rows.keys() == {"rpe@1", "chamfer@1"}
    page = (tmp_path / told["page"]).read_text()
    assert "SyncMV4D" in page


@pytest.mark.slow
def test_without_a_checkpoint_the_reason_is_told(run, tmp_path):
    done = run(
        "--preset",
        "wan22_5b",
        "--dataset",
        "synthetic",
        "--root",
        tmp_path / "data",
        "--limit",
        1,
        "--metrics",
        "rpe",
        "--out",
        "r",
    )
    assert done.returncode == 3
    (failure,) = (tmp_path / "r" / "predictions" / "syncmv4d+wan22_5b").rglob("failure.json")
    assert json.loads(failure.read_text())["reason"].startswith(
        "syncmv4d needs --checkpoint FOLDER, and no weights of it are public yet"
    )
