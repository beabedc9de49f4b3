import dataclasses
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from rich.console import Console

from hoibench.cli.errors import guarded
from reference_model import cost
from reference_model.config import PRESETS, SyncMV4DConfig, origins, preset
from reference_model.cost.flops import (
    along,
    count_flops,
    decoder_flops,
    encoder_flops,
    forward_flops,
    training_flops,
)
from reference_model.cost.inventory import count_tokens
from reference_model.cost.memory import count_memory, dtypes_in_bf16, forward_peak
from reference_model.cost.parameters import count_parameters
from reference_model.cost.phantom import of_depth, of_length, phantom_latents, phantom_mjd, phantom_vae, phantom_video
from reference_model.cost.tables import as_json
from reference_model.info import info_command
from reference_model.mjd.model import MultiViewJointDiffusion

ROOT = Path(__file__).parents[2]
WAN, NANO = preset("wan22_5b"), preset("nano")


def changed(config, **mjd):
    return dataclasses.replace(config, mjd=dataclasses.replace(config.mjd, **mjd))


def printed(*arguments):
    out = io.StringIO()
    with redirect_stdout(out):
        assert info_command(arguments) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def wan():
    """What the command prints of the paper's model."""
    return json.loads(printed("--preset", "wan22_5b", "--json"))


# Parameters


def test_the_papers_model_has_6_19_billion_parameters(wan):
    parameters = wan["parameters"]
    assert parameters["total"] == 6_192_356_737
    assert parameters["wan"] == 4_999_787_712
    assert parameters["vae"] == 704_688_668
    d, layers = 3072, 30
    assert parameters["new"] == {
        "attn_view": layers * (4 * (d * d + d) + 2 * d),
        "time_proj_motion": 6 * d * (d + 1),
        "patch_embedding_motion": d * 48 * 4 + d,
        "proj_out_motion": (d + 1) * 48 * 4,
        "guidance_embedding": d * 48 * 4,
        "scale_shift_table_motion": layers * 6 * d + 2 * d,
        "scale_shift_table_view": layers * 3 * d,
        "scale_shift_table_view_motion": layers * 3 * d,
        "register_embedding": 6 * d,
        "scale_embedding": 2 * d,
        "scale_head": d + 1,
    }
    assert parameters["total"] == parameters["wan"] + sum(parameters["new"].values())
    assert wan["memory"]["weights_fp32"] == 4 * parameters["total"]


def test_the_small_model_is_counted_as_it_is_allocated():
    counted = count_parameters(NANO)
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    assert counted.total == sum(each.numel() for each in model.parameters())
    new = model.new_parameters()
    assert sum(counted.new.values()) == sum(each.numel() for name, each in model.named_parameters() if name in new)
    names = "num_attention_heads attention_head_dim in_channels text_dim freq_dim ffn_dim num_layers eps patch_size"
    wan = WanTransformer3DModel(
        out_channels=NANO.mjd.in_channels, **{name: getattr(NANO.mjd, name) for name in names.split()}
    )
    assert counted.wan == sum(each.numel() for each in wan.parameters())


# Tokens


def test_the_papers_model_has_9100_tokens_a_view(wan):
    assert wan["latents"] == [13, 30, 44]
    assert wan["tokens"] == {
        "total": 9100, "video": 4290, "motion": 4290, "scale": 2, "register": 6, "text": 512,
        "intra_view": 8588, "inter_view": [13, 1980], "specials_meet": 24,
    }  # fmt: skip


def test_tokens_where_modalities_and_special_tokens_keep_apart():
    tokens = count_tokens(changed(WAN, inter_view="separate", special_tokens_meet=False, views=2))
    assert tokens.inter_view == (26, 2 * 330)
    assert tokens.specials_meet == 0
    assert tokens.total == 9100


# Operations


def closed_form(config: SyncMV4DConfig) -> int:
    """Operations of a forward of one sample: 2 a b c of each product of (a, b) and (b, c)."""
    mjd, tokens = config.mjd, count_tokens(config)
    V, L, d, S, special = mjd.views, config.text_tokens, mjd.width, tokens.intra_view, tokens.scale + tokens.register
    groups, together = tokens.inter_view
    T = V * S
    inter_view = groups * together + tokens.specials_meet
    linears = (
        2 * T * 4 * d * d  # attn1: q, k, v, out
        + 2 * inter_view * 4 * d * d  # attn_view
        + 2 * T * 2 * d * d  # attn2: q, out
        + 2 * L * 2 * d * d  # attn2: k, v, which the views share
        + 2 * T * 2 * d * mjd.ffn_dim
    )
    attention = 4 * d * (V * S * S + groups * together**2 + tokens.specials_meet**2 + T * L)
    patch, grid_tokens = mjd.in_channels * 4, V * (S - special)
    embeddings = 2 * grid_tokens * patch * d + 2 * L * (mjd.text_dim * d + d * d)
    time = 2 * 2 * (mjd.freq_dim * d + d * d + d * 6 * d) + 2 * d * 6 * d
    heads = 2 * grid_tokens * d * patch + 2 * V * mjd.scale_tokens * d
    return mjd.num_layers * (linears + attention) + embeddings + time + heads


def test_the_papers_model_takes_what_its_products_take(wan):
    flops = wan["flops"]
    assert flops["basis"] == "counted, not measured"
    assert flops["forward"] == closed_form(WAN)
    assert flops["guided_step"] == 2 * flops["forward"]
    # 389.1 TFLOP if every view made keys and values of the text for itself.
    mjd = WAN.mjd
    apart = (mjd.views - 1) * 2 * WAN.text_tokens * 2 * mjd.width**2 * mjd.num_layers
    assert round((flops["forward"] + apart) / 1e12, 1) == 389.1
    # Forward, recomputation and a backward of twice a forward; of what lies outside the blocks nothing is recomputed.
    outside = closed_form(of_depth(WAN, 0))
    assert 4 * flops["forward"] - 2 * outside < flops["training_step"] < 4 * flops["forward"]


def test_the_base_models_autoencoder_takes_what_it_took_elsewhere(wan):
    assert round(wan["flops"]["encode"] / 1e12, 1) == 58.2
    assert round(wan["flops"]["decode"] / 1e12, 1) == 306.1


def test_seconds_are_operations_at_the_assumed_rate(wan):
    assert wan["seconds"]["basis"] == "counted, not measured, at an assumed 790 TFLOP/s"
    assert wan["seconds"]["forward"] == pytest.approx(wan["flops"]["forward"] / 790e12)
    assert wan["seconds"]["training_step"] == pytest.approx(wan["flops"]["training_step"] / 790e12)


@pytest.mark.parametrize(
    "changes", [{"views": 2, "num_layers": 5}, {"inter_view": "separate", "special_tokens_meet": False}], ids=str
)
def test_small_models_take_what_their_products_take(changes):
    config = changed(NANO, **changes)
    assert along(lambda k: forward_flops(of_depth(config, k)), config.mjd.num_layers) == closed_form(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_first_two_parts_tell_of_all(name):
    config = preset(name)
    whole = [count(config) for count in (forward_flops, training_flops, encoder_flops, decoder_flops)]
    assert list(dataclasses.astuple(count_flops(config))) == whole


@pytest.mark.parametrize("count", [encoder_flops, decoder_flops])
def test_the_first_two_frames_tell_of_all(count):
    config = dataclasses.replace(NANO, height=32, width=32)
    assert along(lambda k: count(of_length(config, k)), 3) == count(of_length(config, 3))


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_autoencoder_makes_its_latents(name):
    config = dataclasses.replace(preset(name), frames=5, height=64, width=96)
    vae = phantom_vae(config)
    z = vae.encode(phantom_video(config)).latent_dist.mode()
    assert z.shape == phantom_latents(config)[:, 0].shape
    assert vae.decode(z).sample.shape == phantom_video(config).shape


# Memory


def test_the_papers_models_memory(wan):
    memory, count = wan["memory"], wan["parameters"]["total"]
    assert memory["basis"] == "computed, not measured"
    assert 2 * count < memory["weights_bf16"] < 2.02 * count
    assert memory["vae"] == 4 * wan["parameters"]["vae"]
    assert memory["training_state"] == 16 * count // 8
    assert memory["block_boundaries"] == 30 * 3 * 8588 * 3072 * 2
    assert memory["latents"] == 2 * 3 * 48 * 13 * 30 * 44 * 4
    hidden = 3 * 8588 * 14336 * 2  # the MLP's, before and after its GELU at once
    assert 2 * hidden < memory["forward_peak"] < 3 * hidden


@pytest.fixture(scope="module")
def peak():
    return forward_peak(of_depth(NANO, 1))


def test_every_block_peaks_alike(peak):
    assert forward_peak(of_depth(NANO, 2)) == peak


def test_attention_never_writes_its_matrix(peak):
    """Of nearly twice the tokens, as much memory, not four times."""
    assert 1.7 < forward_peak(of_length(of_depth(NANO, 1), 13)) / peak < 2.0


def test_half_precision_is_what_the_library_makes_of_it(tmp_path):
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    model.save_pretrained(tmp_path)
    loaded = MultiViewJointDiffusion.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert dtypes_in_bf16(phantom_mjd(NANO)) == {name: each.dtype for name, each in loaded.named_parameters()}


def test_nothing_is_trained_on_no_gpu():
    with pytest.raises(ValueError, match="gpus is 0: expected 1 or more"):
        count_memory(NANO, 0)


# The command


@pytest.fixture
def small(monkeypatch):
    """Costs that take no time, of the configuration asked for."""
    asked = []

    def count_cost(config, gpus):
        asked.append((config, gpus))
        parameters, tokens = cost.Parameters(5_000_000_000, {"attn_view": 1_190_000_000}, 7), count_tokens(config)
        return cost.Cost(
            parameters, tokens, cost.Flops(395 * 10**12, 4, 5, 6), cost.Memory(1, 2, 3, 4, 5, 6, 7 * 10**9)
        )

    monkeypatch.setattr(cost, "count_cost", count_cost)
    return asked


def test_options_take_the_presets_place(small):
    told = json.loads(
        printed("--preset", "nano", "--views", "2", "--size", "64", "96", "--frames", "9", "--gpus", "4", "--json")
    )
    config, gpus = small[0]
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
    assert rows["latents of video and motion, one sample, float32"][-1] == "7"


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_no_number_is_cropped_on_a_narrow_terminal(wan, counted, columns, monkeypatch):
    monkeypatch.setattr(cost, "count_cost", lambda config, gpus: counted)
    monkeypatch.setattr("reference_model.info.Console", lambda: Console(width=columns, force_terminal=True))
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed())
    shown = [" ".join(re.split(r"\s{2,}", line.strip())[1:]) for line in text.splitlines()]
    parameters, tokens, flops, memory = (wan[section] for section in ("parameters", "tokens", "flops", "memory"))
    own, new = parameters["wan"], parameters["new"]
    expected = [
        *(f"{count:,}" for count in (parameters["total"], own, sum(new.values()), *new.values(), parameters["vae"])),
        *(str(tokens[name]) for name in ("video", "motion", "scale", "register", "text", "total", "intra_view")),
        "{} x {}".format(*tokens["inter_view"]),
        f"1 x {tokens['specials_meet']}",
        *(f"{significant(flops[name] / 1e12)} {wan['seconds'][name]:.3g} s" for name in ("forward", "guided_step", "training_step")),
        *(significant(count / 1e12) for count in (flops["encode"], flops["decode"], 6 * flops["decode"])),
        *(significant(memory[name] / 1e9) for name in ("weights_bf16", "weights_fp32", "vae", "latents", "forward_peak")),
        *(significant(memory[name] / 1e9) for name in ("block_boundaries", "training_state")),
    ]  # fmt: skip
    rows = iter(shown)
    for number in expected:
        assert any(row == number or row.endswith(f" B {number}") for row in rows), number


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
    assert guarded(info_command, arguments) == 2
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
