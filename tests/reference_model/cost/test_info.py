"""The command that tells the costs: its options, tables, JSON and refusals."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from counted_costs import printed
from rich.console import Console

from hoibench.cli.exit_codes import to_exit_code
from reference_model import cost
from reference_model.config import PRESETS, preset
from reference_model.config_fields import origins
from reference_model.cost.inventory import count_tokens
from reference_model.cost.tables import as_json
from reference_model.info import info_command

ROOT = Path(__file__).parents[3]
WAN = preset("wan22_5b")


@pytest.fixture
def small(monkeypatch):
    """Costs that take no time, of the configuration asked for."""
    asked = []

    def count_cost(config, gpus):
        asked.append((config, gpus))
        parameters = cost.Parameters(5_000_000_000, {"attn_view": 1_190_000_000}, 6, 7)
        flops, steps = cost.Flops(395 * 10**12, 4, 5, 6, 7, 8, 9, 10), cost.Steps(790 * 10**12, 2, 3, 4, 5)
        memory = cost.Memory(1, 2, 3, 4, 5, 6, 7 * 10**9)
        return cost.Cost(parameters, count_tokens(config), flops, steps, memory)

    monkeypatch.setattr(cost, "count_cost", count_cost)
    return asked


def test_options_take_the_presets_place(small):
    told = json.loads(
        printed("--preset", "nano", "--views", "2", "--size", "64", "96", "--frames", "9", "--gpus", "4", "--json")
    )
    config, gpus = small[0]
    assert config.dpa.views == 2
    assert (config.mjd.views, config.height, config.width, config.frames, gpus) == (2, 64, 96, 9, 4)
    assert (told["views"], told["size"], told["frames"], told["latents"]) == (2, [64, 96], 9, [3, 4, 6])
    assert told["memory"]["gpus"] == 4


def test_the_tables_name_totals_and_bases(small):
    text = printed("--tflops", "395")
    for line in ("6.19 B   6,190,000,000", "attn_view", "not measured", "at an assumed", "395 TFLOP/s",
                 "presets are wan22_5b and nano", "13 x 1980", "1 x 24", "each of 8 GPUs"):  # fmt: skip
        assert line in text
    rows = {line.split("  ")[0].strip(): line.split()[-2:] for line in text.splitlines() if line.strip()}
    assert rows["forward of MJD, one sample"] == ["1", "s"]
    assert rows["sampler's step: MJD twice, decode, DPA, encode"] == ["2", "s"]
    assert "The autoencoder runs in float32" in text
    assert rows["latents of video and motion, one sample, float32"][-1] == "7"


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_no_number_is_cropped_on_a_narrow_terminal(wan, counted, columns, monkeypatch):
    monkeypatch.setattr(cost, "count_cost", lambda config, gpus: counted)
    monkeypatch.setattr("reference_model.info.Console", lambda: Console(width=columns, force_terminal=True))
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed())
    shown = [" ".join(re.split(r"\s{2,}", line.strip())[1:]) for line in text.splitlines()]
    parameters, tokens, flops, steps, memory = (
        wan[section] for section in ("parameters", "tokens", "flops", "steps", "memory")
    )
    own, new = parameters["wan"], parameters["new"]
    expected = [
        *(f"{count:,}" for count in (parameters["total"], own, sum(new.values()), *new.values())),
        *(f"{parameters[name]:,}" for name in ("dpa", "vae")),
        *(str(tokens[name]) for name in ("video", "motion", "scale", "register", "text", "total", "intra_view")),
        "{} x {}".format(*tokens["inter_view"]),
        f"1 x {tokens['specials_meet']}",
        *(timed(flops, name) for name in ("forward", "guided_step", "training_step", "encode", "decode", "decode_backward")),
        *(timed({"all": count}, "all") for count in (3 * flops["encode"], 3 * flops["decode"], 6 * flops["decode"])),
        *(timed(flops, name) for name in ("align", "sparse_convolution", "alignment_step")),
        *(timed(steps, name) for name in ("sampling", "joint", "guidance_x0", "guidance_literal", "training")),
        *(significant(memory[name] / 1e9) for name in ("weights_bf16", "weights_fp32", "vae", "latents", "forward_peak")),
        *(significant(memory[name] / 1e9) for name in ("block_boundaries", "training_state")),
    ]  # fmt: skip
    rows = iter(shown)
    for number in expected:
        assert any(row == number or row.endswith(f" B {number}") for row in rows), number


def timed(operations, name):
    return f"{significant(operations[name] / 1e12)} {operations[name] / 790e12:.3g} s"


def significant(number):
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"


@pytest.fixture
def counted(wan):
    """What the JSON holds, as costs."""
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


def test_the_tables_hold_what_the_json_holds(wan, counted):
    assert json.loads(json.dumps(as_json("wan22_5b", WAN, counted, gpus=8, tflops=790))) == wan


@pytest.mark.parametrize("name", PRESETS)
def test_fields_are_listed_with_their_origins(name):
    rows = json.loads(printed("--preset", name, "--fields", "--json"))
    expected = [[each.field, each.value, each.origin] for each in origins(preset(name))]
    assert [list(row.values()) for row in rows] == json.loads(json.dumps(expected))
    text = printed("--preset", name, "--fields")
    assert "channels lie in [darkest, 1]" in text  # no bracket is taken for markup
    for field, _, _ in expected:
        assert field in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--size", "481", "704"], "height is 481: expected a multiple of 32, such as 480 or 512"),
        (["--size", "480", "700"], "width is 700: expected a multiple of 32, such as 672 or 704"),
        (
            ["--size", "1000000", "1000000"],
            "3 views of 49 frames of 1000000 x 1000000 pixels: expected at most 10,000,000,000 pixels in all",
        ),
        (["--frames", "50"], "50 frames: expected 4 n + 1 of them, such as 49 or 53"),
        (["--views", "0"], "views is 0: expected 1 or more"),
        (
            ["--preset", "wan21"],
            "there is no preset 'wan21': expected one of wan22_5b, nano, wan22_5b_literal, nano_literal",
        ),
        (["--tflops", "0"], "tflops is 0.0: expected a positive number"),
        (["--tflops", "nan"], "tflops is nan: expected a positive number"),
        (["--gpus", "0"], "gpus is 0: expected 1 or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_told_in_one_sentence(arguments, told, capsys):
    assert to_exit_code(info_command, arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {told}\n"
    assert captured.out == ""


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "reference_model.info", "--size", "481", "704"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "error: height is 481: expected a multiple of 32, such as 480 or 512\n"
    assert done.stdout == ""


def test_a_command_that_keeps_nothing_does_not_say_that_it_does():
    done = subprocess.run(
        f"{sys.executable} -m reference_model.info --fields --json >/dev/full",
        shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: no space left while writing a file: free some space and give the same command again\n"
