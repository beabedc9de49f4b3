"""The model that is part of hoibench: its files, its card, its recorded results, and the first command of the README."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from hoibench.predictions import read_prediction
from hoibench.results.results_file import read_headlines
from hoibench.results.run_record import RunRecord
from hoibench.store import sampled_digest, sha256_file
from reference_model.config import preset
from reference_model.evaluate import MODEL, SPLITS, VARIANTS
from reference_model.loading.model_folder import CHECKPOINTS, read_config_and_digest
from reference_model.loading.saved_model import load_model

MICRO = CHECKPOINTS / "micro"
MAX_BYTES = 14_000_000
MACHINE_PATH = re.compile(r"/(?:home|root|tmp|work|Users|mnt)/")


def test_the_files_are_small_and_the_card_lists_them():
    files = [path for path in MICRO.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    card = (MICRO / "README.md").read_text()
    for path in files:
        if path.is_relative_to(MICRO / "model"):
            line = f"| {path.relative_to(MICRO).as_posix()} | {path.stat().st_size} | {sha256_file(path)[:12]} |"
            assert line in card
        if path.suffix in (".md", ".json"):
            assert not MACHINE_PATH.search(path.read_text()), path


def test_it_is_micro_in_float16_and_is_computed_in_float32():
    loaded = load_model(MICRO / "model")
    assert loaded.config == preset("micro")
    assert {str(each.dtype) for each in loaded.model.parameters()} == {"torch.float32"}
    for part in ("mjd", "dpa"):
        with safe_open(MICRO / "model" / part / "diffusion_pytorch_model.safetensors", "pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


@pytest.mark.parametrize("split", SPLITS)
def test_recorded_results_are_of_these_weights(split):
    record = RunRecord.read(MICRO / "results" / split / "run.json")
    settings = {each["id"]: each["settings"] for each in record.identity["methods"]}
    digest = sampled_digest(MICRO / "model")
    assert {key: settings[key]["checkpoint"] for key in (MODEL, *VARIANTS)} == dict.fromkeys((MODEL, *VARIANTS), digest)
    assert read_config_and_digest(MICRO / "model")[1] in (MICRO / "results/README.md").read_text()
    results = read_headlines(MICRO / "results" / split / "results.parquet")
    assert results[results["preset"] == "micro"]["clip"].nunique() == len(record.clips) == 24


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the machine may be busy
def test_the_readmes_first_command_on_one_clip(tmp_path):
    readme = (CHECKPOINTS.parents[1] / "README.md").read_text()
    (command,) = re.findall(r"^pip install .* && python (.*)$", readme, re.MULTILINE)
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, *command.split(), "--limit", "1", "--json"],
        cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    page = (tmp_path / result["page"]).read_text()
    for row in ("SyncMV4D, trained on synthetic clips", "Ground truth", "First frame of the truth", "Random points"):
        assert row in page
    (folder,) = Path(tmp_path / result["out"], "predictions", MODEL, "seed-0").iterdir()
    assert read_prediction(folder).provenance["model"] == read_config_and_digest(MICRO / "model")[1]
