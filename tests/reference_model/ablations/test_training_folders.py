"""The folder of the rows' trainings: what is trained and where, which trainings may be compared, and how one is stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ablation_trainings import add_training

from reference_model.ablations.rows import ROWS
from reference_model.ablations.trainings import Trainings
from reference_model.config import preset
from reference_model.loading.model_folder import METADATA_FILE


def add_model(folder):
    folder.mkdir(parents=True)
    (folder / METADATA_FILE).write_text("{}")
    return folder


def test_the_start_is_trained_once_and_every_row_from_it(tmp_path):
    trainings = Trainings("micro", tmp_path)
    missing = list(trainings.missing([0, 1]))
    own = [name for name, row in ROWS.items() if not row.weights]
    models = [Path("start/model"), *(Path(f"seed-{seed}/{name}/model") for seed in (0, 1) for name in own)]
    assert [model.relative_to(tmp_path) for model, _ in missing] == models
    start, first = missing[0][1], missing[1][1]
    assert start == ["--preset", "micro-start", "--out", str(tmp_path / "start"), "--initial", "random"]
    assert first[:4] == ["--preset", f"micro-{own[0]}", "--out", str(tmp_path / "seed-0" / own[0])]
    assert first[4:] == ["--initial", str(tmp_path / "start/model"), "--seed", "0"]
    add_model(tmp_path / "start/model")
    add_model(tmp_path / "seed-0" / own[0] / "model")
    assert [model for model, _ in trainings.missing([0, 1])] == [model for model, _ in missing[2:]]


def test_wan_may_be_the_common_start(tmp_path):
    missing = list(Trainings("wan22_5b", tmp_path).missing([0]))
    assert all("--initial" in words and words[words.index("--initial") + 1] == "wan" for _, words in missing)


def test_a_trial_ends_early_in_a_folder_of_its_own(tmp_path):
    trial = Trainings("micro", tmp_path, steps=5)
    missing = list(trial.missing([0]))
    assert missing[0][0] == tmp_path / "steps-5/start/model-00000005"
    assert missing[1][1][-2:] == ["--iterations", "5"] and str(missing[0][0]) in missing[1][1]
    assert trial.model_of("full", 0) == tmp_path / "steps-5/seed-0/full/model-00000005"
    long = [model.name for model, _ in Trainings("micro", tmp_path, steps=10**6).missing([0])]
    assert set(long) == {"model"}, "it ends where the training does"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "model 456"}, "were trained with another start: delete one of them"),
        ({"caches": {"128x192": "1" * 12}}, "were trained with another latent caches"),
        ({"processes": 1}, "were trained with another number of processes"),
        ({"model": preset("micro")}, "no_cycle is not of micro-no_cycle: give its --preset, or another --out"),
    ],
)
def test_rows_that_were_trained_differently_are_not_compared(changes, message, models, tmp_path):
    add_training(tmp_path, "full", models["full"])
    add_training(tmp_path, "no_cycle", models["no_cycle"], seed=1, **changes)
    with pytest.raises(ValueError, match=message):
        Trainings("micro", tmp_path).find_models([0, 1])


def test_the_finished_models_of_each_seed_are_found(models, tmp_path):
    run = add_training(tmp_path, "no_aligner", models["no_aligner"], seed=1)
    add_training(tmp_path, "full", models["full"], seed=1)
    found = Trainings("micro", tmp_path).find_models([0, 1])
    assert [list(each) for each in found] == [["no_aligner", "no_aligner-unfilled", "full"]]
    assert found[0]["no_aligner"] == found[0]["no_aligner-unfilled"] == run.model


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_stopped_training_ends_by_itself(number, tmp_path):
    (tmp_path / "training.py").write_text(
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(1)\n    open('saved', 'w').close()\n    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, save)\nsignal.signal(signal.SIGINT, save)\n"
        "open('ready', 'w').close()\ntime.sleep(60)\n"
    )
    code = (
        "from reference_model.ablations import trainings\ntrainings.TRAIN = 'training'\n"
        "raise SystemExit(trainings.run_training([], processes=1))"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, start_new_session=True
    )
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.1)
    if number == "SIGINT":  # as a terminal does
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    assert (tmp_path / "saved").exists()


def test_a_row_without_training_uses_the_weights_of_its_own(tmp_path):
    trainings = Trainings("micro", tmp_path)
    assert trainings.run_of("no_aligner-unfilled", 1) == trainings.run_of("no_aligner", 1)
