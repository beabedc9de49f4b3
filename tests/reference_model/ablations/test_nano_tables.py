"""The rows of nano from nothing to the tables: prepared, trained for two iterations each, evaluated on two clips, and resumed."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from reference_model.ablations.rows import ROWS

pytestmark = pytest.mark.slow
TRAININGS = ("--preset", "nano", "--steps", "2", "--out", "trainings")
EVALUATION = (*TRAININGS, "--limit", "2", "--samples", "1", "--workers", "1")


@pytest.mark.timeout(1800)  # the machine may be busy
def test_the_commands_of_the_page_with_nano(tmp_path):
    def run(module, *words):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", f"reference_model.{module}", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    run("prepare", "--preset", "nano", "--dataset", "synthetic", "--limit", "2", "--out", "latents")
    run("ablate", *TRAININGS, "--train", "--processes", "1", "--cache", "latents")
    again = run("ablate", *TRAININGS, "--train", "--processes", "1", "--cache", "latents")
    assert "training trainings" not in again.stderr, "nothing is missing"
    done = run("ablate", *EVALUATION)
    folder = tmp_path / "runs/ablations/nano-2-clips"
    page = (tmp_path / done.stdout.splitlines()[-1]).read_text()
    assert all(row.title in page for row in ROWS.values())

    (training,) = folder.glob("training-0-*")
    results = pd.read_parquet(training / "results.parquet")
    mine = results[results["preset"].astype(str).str.startswith("nano-") & (results["method"] == "syncmv4d")]
    motion = mine[mine["metric"].str.startswith("mv_rpe_scene") & (mine["region"] == "full") & mine["view"].isna()]
    statuses = motion.groupby("preset")["status"].agg(set).to_dict()
    assert statuses == {f"nano-{row.name}": {"ok"} if row.gives_tracks else {"not_applicable"} for row in ROWS.values()}
    coverage = motion.groupby("preset")["coverage"].mean()
    assert coverage["nano-full"] == 1 and coverage["nano-no_aligner-unfilled"] <= coverage["nano-no_aligner"] <= 1
    predictions = list((training / "predictions").glob("syncmv4d+nano-*/*/*/prediction.json"))
    assert len(predictions) == 2 * len(ROWS)
    written = {path: path.stat().st_mtime_ns for path in predictions}
    assert run("ablate", *EVALUATION).stdout == done.stdout
    assert {path: path.stat().st_mtime_ns for path in predictions} == written
    assert (Path(folder) / "ablations.tex").read_text().count(r"\begin{tabular}") >= 2
