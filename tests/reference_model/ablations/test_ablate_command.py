"""The command of the ablations: what it refuses, what it trains, the runs that it makes, and the files that it writes and records."""

import dataclasses
import json
from pathlib import Path

import fake_runs
import pytest
from safetensors import safe_open

from hoibench.cli import run as run_module
from hoibench.cli.run import parse_arguments
from reference_model.ablate import main
from reference_model.ablations.evaluation import (
    BEGIN,
    COMPANIONS,
    DOCS,
    END,
    NOT_RECORDED,
    RECORDED,
    Evaluation,
    export_models,
    record,
    recorded_tables,
    write_tables,
)
from reference_model.ablations.rows import ROWS
from reference_model.ablations.stored_sizes import stored_bytes
from reference_model.ablations.trainings import Trainings
from reference_model.config import preset
from reference_model.loading.model_folder import CHECKPOINTS, METADATA_FILE, read_config_and_digest
from reference_model.loading.saved_model import save_model
from reference_model.model import SyncMV4D

VERSIONS = {"chamfer@1": "chamfer@2", "mv_rpe_scene@1": "mv_rpe_scene@2", "matching_pixels/sift-mnn@1": "matching_pixels/sift-mnn@2"}  # fmt: skip
"""Ids of the installed metrics that stand for the invented ones."""


def add_model(folder):
    folder.mkdir(parents=True)
    (folder / METADATA_FILE).write_text("{}")
    return folder


def write_fake_run(folder, keys, seeds=(0, 1, 2)):
    """Write a run with invented results of the entrants ``keys``, each 10 % worse than the one before."""
    ours = next(method for method in fake_runs.METHODS if method.id == "syncmv4d")
    methods = [row for row in fake_runs.REFERENCE_ROWS if not row.id.startswith("frozen_self")]
    for n, key in enumerate(keys):
        means = {metric: value * 1.1**n for metric, value in ours.means.items()}
        methods.append(dataclasses.replace(ours, means=means, more=ours.more | {"preset": key.partition("+")[2]}))
    folder.mkdir(parents=True)
    return fake_runs.write_run(
        folder, methods, clips=8, seeds=seeds, metrics=tuple(VERSIONS),
        edit=lambda row: row | {"metric": VERSIONS[row["metric"]]}, config={"out": str(folder.absolute())},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "wan"], "--preset wan: expected one of micro, nano, wan22_5b"),
        (["--samples", "0"], "--samples 0: give a number of at least 1"),
        (["--train", "--out", "x"], "--train needs --cache CACHE"),
        (["--record", "--limit", "4"], "leave out --preset, --train, --limit and --steps"),
        (["--seeds", "2"], "--seeds 2 needs --out OUT"),
        (["--preset", "nano"], "have the models of 0 of 1 trainings in hoibench: train them by"),
        (["--out", "nowhere"], "in nowhere: train them by"),
    ],
)
def test_wrong_options_are_refused_with_a_fix(flags, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(flags) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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


def test_a_trial_ends_early_and_is_evaluated_unless_the_training_went_on(tmp_path):
    trial = Trainings("micro", tmp_path, steps=5)
    missing = list(trial.missing([0]))
    assert missing[0][0] == tmp_path / "start/model-00000005"
    assert missing[1][1][-2:] == ["--iterations", "5"] and str(missing[0][0]) in missing[1][1]
    assert trial.model_of("full", 0) == tmp_path / "seed-0/full/model-00000005"
    model = add_model(tmp_path / "seed-0/full/model")
    assert trial.model_of("full", 0) == model


def test_a_trial_as_long_as_the_training_is_the_training(tmp_path):
    models = [model.name for model, _ in Trainings("micro", tmp_path, steps=10**6).missing([0])]
    assert set(models) == {"model"}


def test_a_row_without_training_uses_the_weights_of_its_own(tmp_path):
    trainings = Trainings("micro", tmp_path)
    assert trainings.run_of("no_aligner-unfilled", 1) == trainings.run_of("no_aligner", 1)


def test_the_runs_have_the_rows_with_their_models_and_the_companions(tmp_path):
    models = [{"full": tmp_path / "a", "no_cycle": tmp_path / "b"}, {"full": tmp_path / "c"}]
    evaluation = Evaluation("nano", models, tmp_path / "runs")
    one, other = (parse_arguments(words) for words in evaluation.run_arguments(["--seed", "0,1", "--limit", "2"]))
    assert one.method == ("syncmv4d+nano-full", "syncmv4d+nano-no_cycle") and other.method == one.method[:1]
    assert f"syncmv4d+nano-no_cycle.checkpoint={tmp_path / 'b'}" in one.set
    assert (one.seeds, one.limit, one.out) == ((0, 1), 2, tmp_path / "runs/training-0")
    scored = {name.partition("@")[0] for name in one.metric_names}
    assert {*COMPANIONS, "matching_pixels_rel/sift-mnn", "mv_rpe_scene", "chamfer"} <= scored


def test_the_tables_of_two_trainings_are_written_and_recorded(tmp_path, monkeypatch, capsys):
    def run(arguments):
        config = parse_arguments(arguments)
        write_fake_run(config.out, config.method, config.seeds)
        return 0

    monkeypatch.setattr(run_module, "run_command", run)
    for seed in range(2):
        for row in ("full", "no_cycle", "no_aligner"):
            add_model(tmp_path / f"out/seed-{seed}/{row}/model")
    runs = tmp_path / "runs"
    assert main(["--out", str(tmp_path / "out"), "--seeds", "2", "--limit", "8", "--runs", str(runs)]) == 0
    printed = capsys.readouterr()
    page = Path(printed.out.splitlines()[-1])
    assert page == runs / "micro-8-clips/site/ablations.html" and "Without cycle" in page.read_text()
    assert "left out of training 0, without a model: single_view, video_only" in printed.err
    markdown = (runs / "micro-8-clips/ablations.md").read_text()
    assert "2 trainings of each row, with 3 sampling seeds each" in markdown and markdown in printed.out
    assert r"\begin{tabular}" in (runs / "micro-8-clips/ablations.tex").read_text()

    folders = [runs / "micro-8-clips/training-0", runs / "micro-8-clips/training-1"]
    docs = tmp_path / "docs.md"
    docs.write_text(f"# Head\n{BEGIN}\nnot yet recorded\n{END}\ntail\n")
    record(folders, "micro", tmp_path / "recorded", docs)
    assert docs.read_text() == f"# Head\n{BEGIN}\n\n{markdown}\n{END}\ntail\n"
    recorded = json.loads((tmp_path / "recorded/training-0/run.json").read_text())
    assert recorded["config"]["out"] == "training-0" and str(tmp_path) not in json.dumps(recorded)


def test_models_are_exported_in_float16_and_rows_with_the_same_weights_share_them(tmp_path):
    config = preset("micro-no_aligner")
    trained = tmp_path / "trained"
    save_model(trained, SyncMV4D(config), CHECKPOINTS / "micro" / "model")
    folders = {"no_aligner": tmp_path / "no_aligner", "no_aligner-unfilled": tmp_path / "no_aligner"}
    assert export_models(dict.fromkeys(folders, trained), folders) == folders
    with safe_open(tmp_path / "no_aligner/mjd/diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
    assert read_config_and_digest(tmp_path / "no_aligner")[0] == config
    size = sum(path.stat().st_size for path in (tmp_path / "no_aligner").rglob("*") if path.is_file())
    assert 0.99 * stored_bytes(config, trained) <= size <= stored_bytes(config, trained)


def test_models_that_are_too_large_are_not_exported(tmp_path):
    folders = {"full": tmp_path / "full"}
    with pytest.raises(ValueError, match="full has up to .* bytes in float16, expected at most 9000000: make the"):
        export_models({"full": CHECKPOINTS / "micro" / "model"}, folders)
    assert not list(tmp_path.iterdir())


def test_a_page_without_a_place_for_the_tables_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n")
    with pytest.raises(ValueError, match="lacks the line"):
        write_tables(page, "tables")


def test_the_tables_of_the_docs_are_those_of_the_recorded_runs():
    _, begin, rest = DOCS.read_text("utf-8").partition(f"{BEGIN}\n\n")
    assert begin and rest.partition(f"\n{END}")[0] == recorded_tables(RECORDED, "micro")


def test_without_recorded_runs_the_tables_say_so(tmp_path):
    assert recorded_tables(tmp_path, "micro") == NOT_RECORDED
