"""The command of the ablations: what it refuses, what it trains, the runs that it makes, and the files that it writes and records."""

import dataclasses
import json
import re
from pathlib import Path

import fake_runs
import pytest
from ablation_trainings import add_training
from safetensors import safe_open

from hoibench.cli import run as run_module
from hoibench.cli.run import parse_arguments
from hoibench.results.run_record import RunRecord
from hoibench.store import sampled_digest
from reference_model import ablate as ablate_module
from reference_model.ablate import main
from reference_model.ablations import evaluation as evaluation_module
from reference_model.ablations.evaluation import (
    BEGIN,
    DOCS,
    END,
    NOT_RECORDED,
    RECORDED,
    Evaluation,
    export_models,
    record,
    recorded_tables,
    shipped_models,
    write_tables,
)
from reference_model.ablations.rows import ROWS, START
from reference_model.ablations.stored_sizes import stored_bytes
from reference_model.config import preset
from reference_model.loading.model_folder import CHECKPOINTS, read_config_and_digest
from reference_model.loading.saved_model import save_model
from reference_model.model import SyncMV4D

VERSIONS = {"chamfer@1": "chamfer@2", "mv_rpe_scene@1": "mv_rpe_scene@2", "matching_pixels/sift-mnn@1": "matching_pixels/sift-mnn@2"}  # fmt: skip
"""Ids of the installed metrics that stand for the invented ones."""


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
        (["--record", "--limit", "4"], "leave out --preset, --steps, --limit, --samples"),
        (["--record", "--samples", "1"], "leave out --preset, --steps, --limit, --samples"),
        (
            ["--train", "--limit", "4", "--out", "x", "--cache", "x"],
            "--train evaluates nothing: leave out --record and --limit",
        ),
        (["--steps", "4"], "--steps 4 needs --out OUT"),
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


def test_the_runs_have_the_rows_with_their_models_and_the_companions(models, tmp_path):
    trained = [{"full": models["full"], "no_cycle": models["no_cycle"]}, {"full": models["full"]}]
    evaluation = Evaluation("micro", trained, tmp_path / "runs", ["--seed", "0,1", "--limit", "2"], ["--workers", "1"])
    one, other = (parse_arguments(words) for words in evaluation.run_arguments())
    assert one.method == ("syncmv4d+micro-full", "syncmv4d+micro-no_cycle") and other.method == one.method[:1]
    assert f"syncmv4d+micro-no_cycle.checkpoint={models['no_cycle']}" in one.set and not one.frozen_self
    assert (one.seeds, one.limit, one.workers, one.out) == ((0, 1), 2, 1, evaluation.run_folders[0])
    scored = {name.partition("@")[0] for name in one.metric_names}
    assert scored == {
        "matching_pixels_rel/sift-mnn", "matching_pixels/sift-mnn", "mv_rpe_scene", "chamfer", "motion_following",
        "epipolar_share/sift-mnn", "dynamic_degree_px/dis", "net_motion/dis",
    }  # fmt: skip


def test_a_run_is_continued_with_the_same_models_and_clips_alone(models, tmp_path):
    def folder(row="full", clips=("--limit", "2"), flags=()):
        return Evaluation("micro", [{"full": models[row]}], tmp_path, clips, flags).run_folders[0]

    assert folder() == folder(flags=["--workers", "1"])
    assert len({folder(), folder(row="no_cycle"), folder(clips=["--limit", "3"])}) == 3


def test_the_tables_of_two_trainings_are_written_and_recorded(models, tmp_path, monkeypatch, capsys):
    def run(arguments):
        config = parse_arguments(arguments)
        write_fake_run(config.out, config.method, config.seeds)
        return 0

    monkeypatch.setattr(run_module, "run_command", run)
    for seed in range(2):
        for row in ("full", "no_cycle", "no_aligner"):
            add_training(tmp_path / "out", row, models[row], seed)
    runs = tmp_path / "runs"
    assert main(["--out", str(tmp_path / "out"), "--seeds", "2", "--limit", "8", "--runs", str(runs)]) == 0
    printed = capsys.readouterr()
    page = Path(printed.out.splitlines()[-1])
    assert page == runs / "micro-8-clips/site/ablations.html" and "Without cycle" in page.read_text()
    assert "left out of training 0, without a model: single_view, video_only" in printed.err
    markdown = (runs / "micro-8-clips/ablations.md").read_text()
    assert "2 trainings of each row from one common start, with 3 sampling seeds each" in markdown
    assert markdown in printed.out
    assert r"\begin{tabular}" in (runs / "micro-8-clips/ablations.tex").read_text()

    folders = sorted((runs / "micro-8-clips").glob("training-*"))
    docs, recorded = tmp_path / "docs.md", tmp_path / "recorded"
    docs.write_text(f"# Head\n{BEGIN}\nnot yet recorded\n{END}\ntail\n")
    (recorded / "training-2").mkdir(parents=True)
    record(folders, "micro", recorded, docs, {str(tmp_path / "out"): "OUT"})
    assert docs.read_text() == f"# Head\n{BEGIN}\n\n{markdown}\n{END}\ntail\n"
    assert sorted(path.name for path in recorded.iterdir()) == ["training-0", "training-1"], "of this time alone"
    texts = [(recorded / f"training-{n}/run.json").read_text() for n in range(2)]
    assert [json.loads(text)["config"]["out"] for text in texts] == ["training-0", "training-1"]
    assert not any(str(tmp_path) in text for text in texts)


def test_a_run_with_failures_is_shown_but_not_recorded(models, tmp_path, monkeypatch, capsys):
    def run(arguments):
        config = parse_arguments(arguments)
        write_fake_run(config.out, config.method, config.seeds)
        return 3

    published = []
    monkeypatch.setattr(run_module, "run_command", run)
    monkeypatch.setattr(
        evaluation_module, "shipped_models", lambda base: {row: models[row] for row in ("full", "no_cycle")}
    )
    monkeypatch.setattr(evaluation_module, "record", lambda *_: published.append("record"))
    assert main(["--runs", str(tmp_path), "--record"]) == 3
    printed = capsys.readouterr()
    assert "ablations.html" in printed.out and not published
    assert "not recorded, since there were failures" in printed.err


def test_models_are_recorded_and_published_in_float16_after_their_evaluation(models, tmp_path, monkeypatch):
    def run(arguments):
        assert not (tmp_path / "shipped").exists() and not recorded
        config = parse_arguments(arguments)
        write_fake_run(config.out, config.method, config.seeds)
        return 0

    rows, recorded = ("full", "no_cycle", "no_aligner", "no_aligner-unfilled"), []
    monkeypatch.setattr(run_module, "run_command", run)
    monkeypatch.setattr(evaluation_module, "record", lambda *words: recorded.append(words))
    shipped = {name: tmp_path / "shipped" / ROWS[name].trained for name in rows}
    monkeypatch.setattr(evaluation_module, "shipped_folders", lambda base: shipped)
    monkeypatch.setattr(evaluation_module, "START_FOLDER", tmp_path / "shipped/start")
    add_training(tmp_path / "out", START, models[START])
    for name in ("full", "no_cycle", "no_aligner"):
        add_training(tmp_path / "out", name, models[name])
    words = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs"), "--record"]
    assert main(words) == 2 and not recorded, "rows are missing"
    monkeypatch.setattr(ablate_module, "ROWS", {name: ROWS[name] for name in rows})
    assert main(words) == 0 and len(recorded) == 1
    assert sorted(path.name for path in (tmp_path / "shipped").iterdir()) == sorted(
        [*{ROWS[n].trained for n in rows}, START]
    )
    with safe_open(tmp_path / "shipped/full/dpa/diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


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


def test_recorded_runs_have_no_paths_and_are_of_these_models():
    recorded = sorted(RECORDED.glob("*/run.json"))
    for path in recorded:
        assert not re.search(r"/(?:home|root|tmp|work|Users|mnt)/", path.read_text()), path
    if recorded:
        record = RunRecord.read(recorded[0])
        found = {each["id"]: each["settings"].get("checkpoint") for each in record.identity["methods"]}
        shipped = shipped_models("micro")
        assert list(shipped) == list(ROWS)
        for name, folder in shipped.items():
            assert found[f"syncmv4d+micro-{name}"] == sampled_digest(folder)
