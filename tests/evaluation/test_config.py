import json
from dataclasses import replace
from pathlib import Path

import pytest

from hoibench.cli.run import parse_arguments
from hoibench.evaluation.config import RunConfig, check_config, parse_max_failures, parse_shard
from hoibench.evaluation.config_file import config_to_json, to_arguments


def test_flags_repeat():
    config = parse_arguments(["--method", "a", "--method", "b", "--seed", "3", "--seed", "1", "--seed", "3"])
    assert config.method == ("a", "b")
    assert config.seeds == (3, 1)
    assert RunConfig().seeds == (0,)


def test_a_file_is_read_before_the_flags(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('method = ["a"]\nlimit = 3\nseed = [1, 2]\nresume = false\nunit-timeout = 2.5\n')
    config = parse_arguments(["--config", str(path), "--limit", "4", "--method", "b"])
    assert config.method == ("a", "b")
    assert (config.limit, config.seeds, config.resume, config.unit_timeout) == (4, (1, 2), False, 2.5)


def test_a_file_may_have_settings_of_methods_that_do_not_run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[methods.syncmv4d]\nsteps = 3\n[methods.svimo]\ncommand = "a"\n[methods.mine]\nx = 1\n')
    config = parse_arguments(["--config", str(path), "--method", "svimo=folder"])
    assert config.set == ("svimo.command=a", "mine.x=1"), "mine is not installed: an adapter, or a mistake"


def test_settings_survive_a_json_round_trip(tmp_path):
    config = RunConfig(method=("a", "b=x"), seed=(1,), root=Path("r"), limit=2, dry_run=True, max_failures="0.1")
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"schema": "hoibench/run@1", "config": config_to_json(config)}))
    assert parse_arguments([f"--config={path}"]) == replace(config, config=path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metod = 'a'", "unknown setting 'metod'"),
        ("limit = {a = 1}", "limit is a table"),
        ("limit = [1, 2]", "limit is [1, 2], expected one value"),
        ("limit = true", "limit is True, expected a number or a text"),
        ("seed = [true]", "seed is [True], expected a number or a text"),
        ("limit = 'x'", "limit is 'x', expected a whole number"),
        ("unit_timeout = 'x'", "unit_timeout is 'x', expected a number"),
        ("device = 'tpu'", "device is 'tpu', expected one of auto, cpu, cuda"),
        ("limit = 'x'\nworkers = 'y'", "c.toml: workers is 'y'"),
        ("dry_run = 'yes'", "dry_run is 'yes', expected true or false"),
        ("x = [", "is not valid toml"),
    ],
)
def test_errors_name_the_file(tmp_path, text, message):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="c.toml") as caught:
        parse_arguments(["--config", str(path)])
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.toml: no such file"):
        parse_arguments(["--config", str(tmp_path / "none.toml")])


def test_a_list_of_metrics_selects_them_all(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("metrics = ['rpe', 'pi']")
    assert parse_arguments(["--config", str(path)]).metric_names == ("rpe", "pi")


def test_null_values_give_no_arguments():
    assert to_arguments("f", {"split": None, "seed": [1, 2], "dry_run": True, "json": False}) == [
        "--seed", "1", "--seed", "2", "--dry-run", "--no-json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RunConfig(limit=0), "--limit is 0"),
        (RunConfig(workers=0), "--workers is 0"),
        (RunConfig(seed=(-1,)), "--seed is -1"),
        (RunConfig(unit_timeout=0.0), "--unit-timeout is 0.0"),
        (RunConfig(unit_timeout=float("nan")), "--unit-timeout is nan"),
        (RunConfig(seed=(2**63,)), "--seed is 9223372036854775808"),
        (RunConfig(unit_timeout=float("inf")), "--unit-timeout is inf"),
        (RunConfig(unit_timeout=1.0, executor="inline"), "--unit-timeout needs worker processes"),
        (RunConfig(metrics=" , "), "--metrics is"),
        (RunConfig(max_failures="many"), "--max-failures is 'many'"),
        (RunConfig(max_failures="1.5"), "--max-failures is '1.5'"),
        (RunConfig(max_failures="-1"), "--max-failures is '-1'"),
        (RunConfig(shard="1/2", resume=False), "--no-resume would also rename the other shards"),
        (RunConfig(shard="0/2"), "--shard is '0/2'"),
        (RunConfig(shard="3/2"), "--shard is '3/2'"),
        (RunConfig(shard="a"), "--shard is 'a'"),
        (RunConfig(shard="\N{SUPERSCRIPT TWO}/4"), "--shard is '\N{SUPERSCRIPT TWO}/4'"),
    ],
)
def test_wrong_values_name_flag_and_value(config, message):
    with pytest.raises(ValueError) as caught:
        check_config(config)
    assert message in str(caught.value)


def test_missing_paths_are_named(tmp_path):
    with pytest.raises(ValueError, match="--checkpoint .*none does not exist"):
        check_config(RunConfig(checkpoint=tmp_path / "none"))


def test_max_failures_is_a_count_or_a_share():
    assert [parse_max_failures(t, 25) for t in ("0", "3", "0.1", "0.0")] == [0, 3, 2, 0]
    assert parse_shard("2/4") == (2, 4)
    assert parse_shard(None) is None


def test_all_wrong_values_are_listed_at_once():
    with pytest.raises(ValueError) as caught:
        check_config(RunConfig(limit=0, workers=-1, shard="a"))
    assert str(caught.value).splitlines() == [
        "3 problems:",
        "  --limit is 0, expected at least 1",
        "  --workers is -1, expected at least 1",
        "  --shard is 'a', expected i/n with 1 <= i <= n, e.g. 1/4",
    ]


def test_tables_of_method_settings_become_set_arguments():
    words = to_arguments("x.toml", {"methods": {"model+small": {"steps": 3, "tiled": True}, "das": {"upstream": "/d"}}})
    assert words == ["--set", "model+small.steps=3", "--set", "model+small.tiled=true", "--set", "das.upstream=/d"]
    with pytest.raises(ValueError, match="x.toml: das is 3, expected a table of settings"):
        to_arguments("x.toml", {"methods": {"das": 3}})
