"""Recorded results of a published model: which parts count as moving, and what the tables and the copied run say."""

import dataclasses
import json
import re
import shutil

import fake_runs
import numpy as np
import pandas as pd
import pytest

from hoibench.cli.run import parse_arguments
from hoibench.metric_card import Companion
from hoibench.results.run_folder import read_run
from reference_model.evaluate import main
from reference_model.loading.model_folder import CHECKPOINTS
from reference_model.publishing.results import describe_run, describe_second_training, moving_part_scores, record_run

MODEL, VARIANT = "syncmv4d+micro", "syncmv4d+micro-mjd_tracks"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a model, twice as far from the truth in a second preset, with a row of one view."""
    ours = next(method for method in fake_runs.METHODS if method.id == "syncmv4d")
    worse = {metric: 2 * value for metric, value in ours.means.items()}
    methods = [row for row in fake_runs.REFERENCE_ROWS if not row.id.startswith("frozen_self")]
    self = next(row for row in fake_runs.REFERENCE_ROWS if row.id.startswith("frozen_self"))
    for preset, means in (("micro", ours.means), ("micro-mjd_tracks", worse)):
        methods.append(dataclasses.replace(ours, means=means, more=ours.more | {"preset": preset}))
        methods.append(dataclasses.replace(self, more={"preset": preset}))
    folder = tmp_path_factory.mktemp("machine") / "run"
    folder.mkdir()
    return fake_runs.write_run(
        folder, methods, seeds=(0,), edit=lambda row: row | ({"view": "1"} if row["metric"] == "pi@1" else {}),
        config={"out": str(folder), "root": None},
    )  # fmt: skip


def test_a_recorded_run_has_no_paths_and_the_tables_say_what_is_separated(run, tmp_path):
    record_run(run, tmp_path / "recorded", {f"{run.parent}/": ""})
    recorded = read_run(tmp_path / "recorded")
    assert (
        recorded.record.config["out"] == "run" and str(run.parent) not in (tmp_path / "recorded/run.json").read_text()
    )
    assert "pi@1" not in set(recorded.headlines["metric"]), "values of single views are left out"
    text = describe_run(tmp_path / "recorded", MODEL, [VARIANT], fake_runs.CARDS)
    lines = re.findall(r"^\| (mv_rpe_scene|chamfer) \(.*?\) \| ([^|]*) \|.*\| ([^|]*) \|$", text, re.MULTILINE)
    found = {(metric, other): result for metric, other, result in lines}
    assert found["mv_rpe_scene", "random"] == found["chamfer", "random"] == "better"
    assert found["mv_rpe_scene", "mjd_tracks"] == "better"
    assert found["chamfer", "frozen_self"] == "better"
    assert re.search(r"^\| syncmv4d\+micro \|.* \| 0\.02\d* \[0\.\d+, 0\.\d+\] \|", text, re.MULTILINE), (
        "the mean Chamfer distance"
    )


def test_comparisons_of_misleading_values_are_not_judged(run):
    rule = Companion(metric="dynamic_degree/dis@1", ratio_to_truth=(2.0, 3.0), why="invented")
    chamfer = fake_runs.CARDS["chamfer@1"].model_copy(update={"companions": (rule,)})
    found = r"^\| (chamfer|mv_rpe_scene) \(.*?\) \| random \|.*\| ([^|]*) \|$"
    for cards, result in ((fake_runs.CARDS, "better"), (fake_runs.CARDS | {"chamfer@1": chamfer}, "not judged")):
        text = describe_run(run, MODEL, [VARIANT], cards)
        assert ("chamfer", result) in re.findall(found, text, re.MULTILINE)
        assert ("mv_rpe_scene", "better") in re.findall(found, text, re.MULTILINE)


def test_two_trainings_are_compared_on_the_same_clips(tmp_path):
    ours = next(method for method in fake_runs.METHODS if method.id == "syncmv4d")
    runs = []
    for name, factor in (("trained", 1), ("second", 2), ("other", 1), ("fewer", 1)):
        means = {metric: factor * value for metric, value in ours.means.items()}
        model = dataclasses.replace(ours, means=means, more=ours.more | {"preset": "micro"})
        references = [row for row in fake_runs.REFERENCE_ROWS if not row.id.startswith("frozen_self")]
        clips = {"clips": 4 if name == "fewer" else 24, "first_clip": 100 if name == "other" else 0}
        runs.append(fake_runs.write_run(tmp_path / name, [*references, model], seeds=(0,), **clips))
    found = r"^\| chamfer \(m\) \| second training \|.*\| (better|worse) \|$"
    for first, second, result in ((0, 1, "better"), (1, 0, "worse")):  # a board sorts them by date and name
        text = describe_second_training(runs[first], runs[second], MODEL, fake_runs.CARDS)
        assert re.findall(found, text, re.MULTILINE) == [result]
    for other in runs[2:]:
        with pytest.raises(ValueError, match="are of different clips"):
            describe_second_training(runs[0], other, MODEL, fake_runs.CARDS)


def test_a_second_training_is_evaluated_alone_and_recorded_beside_the_first(run, tmp_path, monkeypatch, capsys):
    asked, codes = [], []

    def run_command(arguments):
        config = parse_arguments(arguments)
        asked.append(config)
        shutil.copytree(run, config.out, dirs_exist_ok=True)
        record = json.loads((config.out / "run.json").read_text())
        record["config"]["set"] = list(config.set)
        record["provenance"]["created"] = f"2026-12-01T00:00:{len(asked):02}+00:00"
        (config.out / "run.json").write_text(json.dumps(record | {"name": config.out.name}))
        return codes.pop(0) if codes else 0

    monkeypatch.setattr("hoibench.cli.run.run_command", run_command)
    monkeypatch.setattr("reference_model.evaluate.VARIANTS", (VARIANT,))
    monkeypatch.setattr("hoibench.metric_card.all_cards", lambda: fake_runs.CARDS)
    model = CHECKPOINTS / "micro" / "model"
    monkeypatch.chdir(model.parent)
    second = ["--second", "model"]
    words = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    assert main([*words, *second]) == 2 and "no recorded results of the first training" in capsys.readouterr().err
    assert main(words) == 0 and {MODEL, VARIANT} == set(asked[0].method) and asked[0].frozen_self
    first = (tmp_path / "out/README.md").read_text()
    assert "trained again with another seed" not in first
    codes[:] = [3, 0]
    assert main([*words, *second]) == 3 and "not recorded, since there were failures" in capsys.readouterr().err
    assert main([*words, *second]) == 0
    assert [(config.method, config.set, config.frozen_self) for config in asked[2:]] == [
        ((MODEL,), (f"{MODEL}.checkpoint={model}",), False)
    ] * 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == [
        "test_seen", "test_seen-second-training", "test_unseen", "test_unseen-second-training",
    ]  # fmt: skip
    text = (tmp_path / "out/README.md").read_text()
    assert text.count("trained again with another seed") == 2 and first.splitlines()[:20] == text.splitlines()[:20]
    assert text.count("| chamfer (m) | second training |") == 2
    assert f"{MODEL}.checkpoint=MODEL" in (tmp_path / "out/test_seen-second-training/run.json").read_text()
    assert main(words) == 0 and (tmp_path / "out/README.md").read_text() == text


def test_moving_parts_are_those_of_which_the_truth_moves():
    def row(method, clip, metric, part, value, status="ok", preset=None):
        return {
            "method": method,
            "preset": preset,
            "clip": clip,
            "metric": metric,
            "part": part,
            "value": value,
            "status": status,
        }

    frame = pd.DataFrame(
        [
            row("ground_truth", "a", "motion_following@1", "tool", 1.0),
            row("ground_truth", "a", "motion_following@1", "right hand", 1.0),
            row("ground_truth", "a", "motion_following@1", "target", None, "undefined"),
            row("ground_truth", "b", "motion_following@1", "tool", 1.0),
            row("model", "a", "chamfer@2", "tool", 3.0, preset="x"),
            row("model", "a", "chamfer@2", "right hand", 1.0, preset="x"),
            row("model", "a", "chamfer@2", "target", 100.0, preset="x"),
            row("model", "a", "chamfer@2", None, 50.0, preset="x"),
            row("frozen", "a", "chamfer@2", "tool", 7.0),
            row("frozen", "b", "chamfer@2", "tool", 5.0),
        ]
    ).astype({"method": "string", "preset": "string", "part": "string", "metric": "string", "value": "Float64"})
    scores = moving_part_scores(frame, "chamfer", ["model+x", "frozen"], ["a", "b"])
    np.testing.assert_array_equal(scores, [[2.0, 7.0], [np.nan, 5.0]])
