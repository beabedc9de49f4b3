"""The command that prints costs: options, tables, JSON and errors."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hoibench.cli.exit_codes import to_exit_code
from reference_model import cost
from reference_model.config import PRESETS, preset
from reference_model.config.fields import field_sources
from reference_model.cost.sizes import count_tokens
from reference_model.info import InfoOptions, info_command, to_json

ROOT = Path(__file__).parents[3]
WAN = preset("wan22_5b")


@pytest.fixture
def small(monkeypatch):
    """Replace counting by constants, and return the list of calls (config, gpus)."""
    calls = []

    def count_cost(config, gpus):
        calls.append((config, gpus))
        parameters = cost.Parameters(6_190_000_000, 5_000_000_000, {"attn_view": 1_190_000_000}, 6, 7)
        flops = cost.Flops(395 * 10**12, 4, 5, 6, 7, 8, 9, 10)
        steps = cost.Steps(1, 2, 3, 4, 790 * 10**12, 6, 7, 8, 9)
        memory = cost.Memory(1, 2, 3, 7 * 10**9, 4, 5, 6)
        return cost.Cost(parameters, count_tokens(config), flops, steps, memory)

    monkeypatch.setattr(cost, "count_cost", count_cost)
    return calls


def test_options_replace_the_presets_values(small, info_output):
    output = json.loads(
        info_output("--preset", "nano", "--views", "2", "--size", "64,96", "--frames", "9", "--gpus", "4", "--json")
    )
    config, gpus = small[0]
    assert config.dpa.views == 2
    assert (config.mjd.views, config.height, config.width, config.frames, gpus) == (2, 64, 96, 9, 4)
    assert (output["views"], output["size"], output["frames"], output["latents"]) == (2, [64, 96], 9, [3, 4, 6])
    assert output["memory"]["gpus"] == 4


def test_the_tables_have_totals_and_bases(small, info_output):
    text = info_output("--tflops", "395")
    for line in ("6,190,000,000", "attn_view", "not measured", "at an assumed", "395 TFLOP/s",
                 "presets are wan22_5b and nano", "13 x 1980", "one sample, 8 GPUs", "50% with guidance"):  # fmt: skip
        assert line in text
    rows = {line.split("  ")[0].strip(): line.split()[-2:] for line in text.splitlines() if line.strip()}
    assert rows["MJD: forward"] == ["1", "s"]
    assert rows["sampling step: MJD twice, decode, DPA, encode"] == ["2", "s"]
    assert "The autoencoder runs in float32" in " ".join(text.split())
    assert rows["latents of video and motion, float32"][-1] == "7"


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_no_number_is_cropped_on_a_narrow_terminal(wan, counted, info_output, columns, monkeypatch):
    monkeypatch.setattr(cost, "count_cost", lambda config, gpus: counted)
    monkeypatch.setattr(
        "reference_model.info.Console", lambda **options: Console(width=columns, force_terminal=True, **options)
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", info_output())
    shown = [" ".join(re.split(r"\s{2,}", line.strip())[1:]) for line in text.splitlines()]
    new = wan["parameters"]["new"]
    expected = [
        *(f"{count:,}" for count in (wan["parameters"]["total"], wan["parameters"]["wan"], sum(new.values()), *new.values())),
        *(f"{wan['parameters'][name]:,}" for name in ("dpa", "vae")),
        *(" x ".join(map(str, value)) if isinstance(value, list) else str(value) for value in wan["tokens"].values()),
        *(timed(count) for section in ("flops", "steps") for name, count in wan[section].items() if name != "basis"),
        *(significant(count / 1e9) for name, count in wan["memory"].items() if name not in ("basis", "gpus")),
    ]  # fmt: skip
    rows = iter(shown)
    for number in expected:
        assert any(row == number for row in rows), number


def timed(count):
    return f"{significant(count / 1e12)} {count / 790e12:.3g} s"


def significant(number):
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"


@pytest.fixture
def counted(wan):
    """The JSON as costs."""
    sections = {
        kind: kind(**{each.name: wan[section][each.name] for each in dataclasses.fields(kind)})
        for kind, section in (
            (cost.Parameters, "parameters"),
            (cost.Tokens, "tokens"),
            (cost.Flops, "flops"),
            (cost.Steps, "steps"),
            (cost.Memory, "memory"),
        )
    }
    return cost.Cost(*sections.values())


def test_tables_and_json_have_the_same_values(wan, counted):
    assert json.loads(json.dumps(to_json(InfoOptions(), WAN, counted))) == wan


@pytest.mark.parametrize("name", PRESETS)
def test_fields_are_listed_with_their_sources(name, info_output):
    rows = json.loads(info_output("--preset", name, "--fields", "--json"))
    expected = [[each.field, each.value, each.source] for each in field_sources(preset(name))]
    assert [list(row.values()) for row in rows] == json.loads(json.dumps(expected))
    text = info_output("--preset", name, "--fields")
    assert "channels in [darkest, 1]" in text  # brackets are not parsed as markup
    for field, _, _ in expected:
        assert field in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "481,704"], "height is 481: expected a multiple of 32, such as 480 or 512"),
        (["--size", "480,700"], "width is 700: expected a multiple of 32, such as 672 or 704"),
        (
            ["--size", "1000000,1000000"],
            "3 views of 49 frames of 1000000 x 1000000 pixels: expected at most 10,000,000,000 pixels in total",
        ),
        (["--frames", "50"], "50 frames: expected 4 n + 1, such as 49 or 53"),
        (["--views", "0"], "--views is 0, expected at least 1"),
        (
            ["--preset", "wan21"],
            "there is no preset 'wan21': expected one of wan22_5b, nano, micro, wan22_5b_literal, nano_literal, micro_literal,"
            " or a row such as micro-full",
        ),
        (
            ["--preset", "micro-no_aligner"],
            "--preset micro-no_aligner has no points aligner, and costs are counted of complete models: give its base, or --fields",
        ),
        (["--tflops", "0"], "--tflops is 0.0, expected a positive number"),
        (["--tflops", "nan"], "--tflops is nan, expected a positive number"),
        (["--gpus", "0"], "--gpus is 0, expected at least 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_are_one_sentence(arguments, message, capsys):
    assert to_exit_code(info_command, arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {message}\n"
    assert captured.out == ""


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "reference_model.info", "--size", "481,704"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "error: height is 481: expected a multiple of 32, such as 480 or 512\n"
    assert done.stdout == ""


def test_a_full_disk_message_promises_no_resuming():
    done = subprocess.run(
        f"{sys.executable} -m reference_model.info --fields --json >/dev/full",
        shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: no space left while writing a file: free some space and give the same command again\n"
