"""A method of one's own as docs/submit.md says: a package that is installed and run, and a script that writes predictions; both ways to a zip."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FLAGS = ("--dataset", "synthetic", "--metrics", "rpe,chamfer,psnr", "--executor", "inline")


@pytest.fixture(scope="module")
def call(tmp_path_factory, demo_root):
    """Run `python -m ...` in a folder by a new environment that sees the installed packages, but no network; return what it prints."""
    base = tmp_path_factory.mktemp("author")
    shutil.copytree(demo_root, base / "cache")
    venv.create(base / "venv", with_pip=False)
    (site,) = base.glob("venv/lib/python*/site-packages")
    (site / "installed.pth").write_text(
        "\n".join([str(ROOT), *(path for path in sys.path if path.endswith("-packages"))])
    )
    env = {**os.environ, "HOIBENCH_CACHE": str(base / "cache"), "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1"}
    env = {name: value for name, value in env.items() if name != "PYTHONPATH"}

    def run(*words, cwd=base):
        done = subprocess.run(
            [base / "venv" / "bin" / "python", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.base = base
    return run


@pytest.fixture(scope="module")
def installed(call):
    """The folder of a package that init-method has written, installed."""
    folder = call.base / "two_hands"
    call("-m", "hoibench", "init-method", "two_hands")
    call("-m", "pip", "install", "--no-build-isolation", "-e", "two_hands[test]")
    return folder


@pytest.fixture(scope="module")
def own_run(call, installed):
    """The folder of a run of the package's method."""
    call("-m", "hoibench.run", "--method", "two_hands", *FLAGS, "--out", "run", cwd=installed)
    return installed / "run"


def values_of(run, method):
    rows = pd.read_parquet(run / "results.parquet")
    rows = rows[rows["method"] == method].drop(columns=["method"])
    keys = ["clip", "seed", "metric", "region", "part", "view", "pair", "frame"]
    return rows.set_index(keys)[["value", "status", "unit", "pairing", "alignment"]].sort_index()


def test_the_package_is_listed_and_passes_its_test(call, installed):
    methods = {row["method"]: row for row in json.loads(call("-m", "hoibench", "ls", "methods", "--json"))}
    assert methods["two_hands"]["name"] == "Two hands"
    assert "2 passed" in call("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=installed)


def test_the_method_is_on_the_page(own_run):
    assert values_of(own_run, "two_hands")["status"].eq("ok").all()
    assert "Two hands" in (own_run / "leaderboard" / "index.html").read_text()


def test_a_zip_of_its_predictions_gives_the_same_rows(call, installed, own_run):
    predictions = own_run / "predictions" / "two_hands"
    declaration = (installed / "submission.toml").read_text()
    for key, value in (
        ("authors", '["A. Author"]'),
        ("contact", '"a@example.org"'),
        ("licence", '"MIT"'),
        ("seeds", "[0]"),
    ):
        declaration = re.sub(rf"^{key} = .*", f"{key} = {value}", declaration, flags=re.MULTILINE)
    (predictions / "submission.toml").write_text(declaration)
    assert "6 predictions of 6 clips, 1 seed, 0 problems" in call("-m", "hoibench", "validate", str(predictions))
    call("-m", "zipfile", "-c", "handed_in.zip", str(predictions))
    methods = ("--method", f"folder={predictions}", "--method", "zipped=handed_in.zip")
    call("-m", "hoibench.run", *methods, *FLAGS, "--out", "again")
    expected = values_of(own_run, "two_hands")
    for name in ("folder", "zipped"):
        pd.testing.assert_frame_equal(values_of(call.base / "again", name), expected)


def test_a_reviewer_confirms_the_pack(call, own_run):
    call("-m", "hoibench", "pack", str(own_run), "--out", "two_hands-pack")
    assert "pack, 0 problems" in call("-m", "hoibench", "validate", "two_hands-pack")
    (call.base / "review" / "predictions").mkdir(parents=True)
    shutil.copytree(own_run / "predictions" / "two_hands", call.base / "review" / "predictions" / "two_hands")
    printed = call("-m", "hoibench", "verify", "review", "--pack", "two_hands-pack", "--seed", "0", "--workers", "1")
    assert "no difference" in printed.splitlines()[-1]


def test_the_script_of_the_docs_writes_a_submission(call, tmp_path):
    page = (ROOT / "docs" / "submit.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (declaration,) = re.findall(r"```toml\n(name = .*?)```", page, re.DOTALL)
    folder = tmp_path / "my_predictions"
    folder.mkdir()
    (folder / "submission.toml").write_text(declaration)
    (tmp_path / "predict.py").write_text(script)
    call("predict.py", cwd=tmp_path)
    assert "18 predictions of 6 clips, 3 seeds, 0 problems" in call("-m", "hoibench", "validate", str(folder))
    call("-m", "zipfile", "-c", "my_predictions.zip", "my_predictions", cwd=tmp_path)
    assert "18 predictions of 6 clips, 3 seeds, 0 problems" in call(
        "-m", "hoibench", "validate", "my_predictions.zip", cwd=tmp_path
    )
