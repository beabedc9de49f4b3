"""Launch configurations: the presets' own follow the paper, and errors name the value."""

import dataclasses

import pytest

from reference_model.cache.settings import config_settings
from reference_model.config import PRESETS
from reference_model.cost.sizes import count_parameters, count_tokens
from reference_model.training.config import LAUNCH_FOLDER, TrainingConfig, TrainingStage, launch_file, read_launch

STAGE = '[[stages]]\nname = "a"\nobjective = "warmup"\niterations = 4\nsize = [64, 96]\n'


def test_the_papers_curriculum():
    """Section 4.2: a warm-up of 5K steps on 10 % of the data, 30K in the loop, 256x384 before 480x704."""
    model, training = read_launch(LAUNCH_FOLDER / "wan22_5b.toml", PRESETS["wan22_5b"])
    assert model == PRESETS["wan22_5b"]
    warm_up, *joint = training.stages
    assert (warm_up.objective, warm_up.iterations, warm_up.data_fraction) == ("warmup", 5000, 0.1)
    assert sum(stage.iterations for stage in joint) == 30000
    assert all((stage.objective, stage.data_fraction) == ("joint", 1.0) for stage in joint)
    assert [stage.size for stage in training.stages] == [(256, 384), (256, 384), (480, 704)]
    assert training.precision == "bf16" and training.gradient_checkpointing


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_curriculum_that_fits_it(name):
    model, training = read_launch(launch_file(name), PRESETS[name])
    assert model == PRESETS[name]
    for stage in training.stages:
        dataclasses.replace(PRESETS[name], height=stage.size[0], width=stage.size[1])
    assert training.stages[-1].size == (PRESETS[name].height, PRESETS[name].width)


def test_the_gpu_recipe_is_a_larger_micro_on_the_same_latent_cache():
    micro = PRESETS["micro"]
    model, training = read_launch(LAUNCH_FOLDER / "micro_gpu.toml", micro)
    assert config_settings(model) == config_settings(micro)
    assert [count_parameters(each).total for each in (micro, model)] == [4_236_417, 11_828_097]
    assert count_tokens(model).video == 4 * count_tokens(micro).video
    assert [stage.networks for stage in training.stages] == ["mjd", "dpa", "both"]


def test_every_field_says_where_its_value_comes_from():
    assert all(f.name == "loss_weights" or f.metadata["source"] for f in dataclasses.fields(TrainingConfig))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = 3", "stages is 3: input should be a valid array"),
        ("stages = [1, 2]", r"stages\[0\] is 1: input should be an object; stages\[1\] is 2"),
        ("[stages]\nname = 'a'", "stages is an object with 1 keys: input should be a valid array"),
        (f"loss_weights = 2\n{STAGE}", "loss_weights is 2: input should be an object"),
        (f"betas = [0.9, 1.5]\n{STAGE}", r"betas is \(0.9, 1.5\): expected within \[0, 1\)"),
        ("", "the key 'stages' is missing"),
        ("stages = []", "a training has no stages: expected one or more"),
        (
            "[[stages]]\nname = 'a'\n",
            r"key 'stages\[0\].objective' is missing; .*iterations' is missing; .*size' is missing",
        ),
        (f"speed = 3\n{STAGE}", "unknown key 'speed': did you mean 'seed'"),
        (f"batch_size = 0\n{STAGE}", "batch_size is 0"),
        (f"learning_rate = nan\n{STAGE}", "learning_rate is nan"),
        (STAGE.replace("warmup", "alone"), r"stages\[0\].objective is 'alone': input should be 'warmup' or 'joint'"),
        (f'precision = "fp16"\n{STAGE}', "precision is 'fp16': input should be 'bf16' or 'fp32'"),
        (f'lr_schedule = "linear"\n{STAGE}', "lr_schedule is 'linear': input should be 'constant' or 'cosine'"),
        (f'learning_rate = "1e-4"\n{STAGE}', "learning_rate is '1e-4': input should be a valid number"),
        (f"batch_size = 1.5\n{STAGE}", "batch_size is 1.5: input should be a valid integer"),
        (f'gradient_checkpointing = "no"\n{STAGE}', "gradient_checkpointing is 'no': input should be a valid boolean"),
        (f"betas = [0.9]\n{STAGE}", r"the key 'betas\[1\]' is missing"),
        (STAGE.replace("[64, 96]", "[64]"), r"the key 'stages\[0\].size\[1\]' is missing"),
        (f"{STAGE}[loss_weights]\nvideo = true\n", "loss_weights.video is True: input should be a valid number"),
        (STAGE + "data_fraction = 0.0\n", r"stage a: data_fraction is 0.0: expected more than 0, at most 1"),
        (STAGE.replace("4", "0"), "stage a: iterations is 0: expected 1 or more"),
        ("[[stages]", "s.toml"),
    ],
)
def test_invalid_values_are_named(tmp_path, text, message):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_launch(path, PRESETS["nano"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such launch configuration"):
        read_launch(tmp_path / "s.toml", PRESETS["nano"])


def test_rates_rise_and_fall():
    stages = (TrainingStage("a", "warmup", 100, (64, 96)),)
    constant, cosine = (
        TrainingConfig(stages, lr_warmup_iterations=10, lr_schedule=each) for each in ("constant", "cosine")
    )
    assert [round(constant.lr_factor(i), 12) for i in (0, 4, 9, 10, 99)] == [0.1, 0.5, 1, 1, 1]
    assert cosine.lr_factor(0) == pytest.approx(0.1) and cosine.lr_factor(50) == pytest.approx(0.55)
    assert cosine.lr_factor(99) == pytest.approx(0.1, abs=1e-3)


def test_iterations_belong_to_stages_in_turn():
    stages = tuple(TrainingStage(name, "warmup", count, (64, 96)) for name, count in (("a", 2), ("b", 3)))
    training = TrainingConfig(stages)
    assert [training.stage_index(i) for i in range(5)] == [0, 0, 1, 1, 1]


def read_text(folder, text):
    """Read a launch configuration of this text for nano."""
    path = folder / "s.toml"
    path.write_text(text)
    return read_launch(path, PRESETS["nano"])


def test_the_model_is_the_preset_changed_on_the_grid_of_the_last_stage(tmp_path):
    changes = """
[model.cycle]
gradient = "full"
guidance = false
unit = 1
[model.dpa]
temporal = true
orders = ["z"]
[model.pseudo_video]
radius = 2
[model]
text_tokens = 8
"""
    model, training = read_text(tmp_path, f"seed = 3\n{STAGE}{changes}")
    nano = PRESETS["nano"]
    assert model == dataclasses.replace(
        nano,
        height=64,
        width=96,
        text_tokens=8,
        cycle=dataclasses.replace(nano.cycle, gradient="full", guidance=False, unit=1.0),
        dpa=dataclasses.replace(nano.dpa, temporal=True, orders=("z",)),
        pseudo_video=dataclasses.replace(nano.pseudo_video, radius=2),
    )
    assert (training.seed, len(training.stages)) == (3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\ncycles = 3", "unknown key 'model.cycles': did you mean 'cycle'"),
        (
            "[model.cycle]\nspeed = 3",
            "unknown key 'model.cycle.speed': expected .*guidance, guidance_share, loop_every",
        ),
        ("[model]\ncycle = 3", "model.cycle is 3: input should be an object"),
        (
            '[model.cycle]\ngradient = "half"',
            "model.cycle.gradient is 'half': input should be 'full', 'depth_scale' or 'none'",
        ),
        ("[model.cycle]\nguidance = 0", "model.cycle.guidance is 0: input should be a valid boolean"),
        ("[model.cycle]\nunit = nan", "model.cycle.unit is nan: input should be a finite number"),
        ("[model.dpa]\nwindow = 1.5", "model.dpa.window is 1.5: input should be a valid integer"),
        ('[model.dpa]\norders = ["x"]', r"model.dpa.orders\[0\] is 'x': input should be 'z' or 'z-trans'"),
        ("[model.pseudo_video]\nradius = true", "model.pseudo_video.radius is True: input should be a valid integer"),
        ("[model.mjd]\nscale_tokens = 1", "model.mjd: scale_tokens is 1: expected 2"),
        ("[model]\nframes = 24", "model: 24 frames: expected"),
        ("[model]\nheight = 64", "model.height is given by the size of each stage: leave it out here"),
        ("[model]\nwidth = 96", "model.width is given by the size of each stage"),
    ],
)
def test_invalid_values_of_the_model_are_named_with_the_file(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"s\.toml: {message}"):
        read_text(tmp_path, f"{STAGE}{text}\n")


def test_a_model_that_is_no_table_and_a_size_that_does_not_divide_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"s\.toml: model is 3: input should be an object"):
        read_text(tmp_path, f"model = 3\n{STAGE}")
    with pytest.raises(ValueError, match=r"s\.toml: stage a: width is 100: expected a multiple of 32"):
        read_text(tmp_path, STAGE.replace("96", "100"))


def test_a_seed_below_0_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed is -1: expected 0 or more"):
        read_text(tmp_path, f"seed = -1\n{STAGE}")
