"""Launch configurations: those of the presets are the paper's, and what is wrong in one is named."""

import dataclasses

import pytest

from reference_model.config import PRESETS
from reference_model.training.config import LAUNCH, TrainingConfig, TrainingStage, launch_file, read_training

STAGE = '[[stages]]\nname = "a"\nstage = "apart"\niterations = 4\nsize = [64, 96]\n'


def test_the_papers_curriculum():
    """Section 4.2: 5K steps on 10 % of the data apart, 30K of the whole, 256x384 before 480x704."""
    training = read_training(LAUNCH / "wan22_5b.toml")
    warm_up, *whole = training.stages
    assert (warm_up.stage, warm_up.iterations, warm_up.data) == ("apart", 5000, 0.1)
    assert sum(stage.iterations for stage in whole) == 30000
    assert all((stage.stage, stage.data) == ("joint", 1.0) for stage in whole)
    assert [stage.size for stage in training.stages] == [(256, 384), (256, 384), (480, 704)]
    assert training.precision == "bf16" and training.gradient_checkpointing


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_curriculum_that_fits_it(name):
    training = read_training(launch_file(name))
    for stage in training.stages:
        dataclasses.replace(PRESETS[name], height=stage.size[0], width=stage.size[1])
    assert training.stages[-1].size == (PRESETS[name].height, PRESETS[name].width)


def test_every_field_says_where_its_value_comes_from():
    assert all(f.name == "weights" or f.metadata["origin"] for f in dataclasses.fields(TrainingConfig))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages = 3", "'int' object"),
        ("", "no stages"),
        ("[[stages]]\nname = 'a'\n", "lacks stage, iterations, size"),
        (f"speed = 3\n{STAGE}", "no field speed"),
        (f"batch = 0\n{STAGE}", "batch is 0"),
        (f"learning_rate = nan\n{STAGE}", "learning_rate is nan"),
        (STAGE.replace("apart", "alone"), "stage is 'alone', expected one of apart, joint"),
        (f'precision = "fp16"\n{STAGE}', "precision is 'fp16', expected one of bf16, fp32"),
        (f'decay = "linear"\n{STAGE}', "decay is 'linear', expected one of constant, cosine"),
        (f'learning_rate = "1e-4"\n{STAGE}', "learning_rate is '1e-4', expected float"),
        (f"batch = 1.5\n{STAGE}", "batch is 1.5, expected int"),
        (f'gradient_checkpointing = "no"\n{STAGE}', "gradient_checkpointing is 'no', expected bool"),
        (f"betas = [0.9]\n{STAGE}", r"betas is \(0.9,\), expected tuple\[float, float\]"),
        (STAGE.replace("[64, 96]", "[64]"), r"size is \(64,\), expected tuple\[int, int\]"),
        (f"{STAGE}[weights]\nvideo = true\n", "video is True, expected float"),
        (STAGE + "data = 0.0\n", "takes 0.0 of the data"),
        (STAGE.replace("4", "0"), "0 iterations"),
        ("[[stages]", "s.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, told):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        read_training(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such launch configuration"):
        read_training(tmp_path / "s.toml")


def test_rates_rise_and_fall():
    stages = (TrainingStage("a", "apart", 100, (64, 96)),)
    constant, cosine = (TrainingConfig(stages, rate_warmup=10, decay=decay) for decay in ("constant", "cosine"))
    assert [round(constant.rate(i), 12) for i in (0, 4, 9, 10, 99)] == [0.1, 0.5, 1, 1, 1]
    assert cosine.rate(0) == pytest.approx(0.1) and cosine.rate(50) == pytest.approx(0.55)
    assert cosine.rate(99) == pytest.approx(0.1, abs=1e-3)


def test_iterations_belong_to_stages_in_turn():
    stages = tuple(TrainingStage(name, "apart", count, (64, 96)) for name, count in (("a", 2), ("b", 3)))
    training = TrainingConfig(stages)
    assert [training.stage_at(i) for i in range(5)] == [0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="5 iterations"):
        training.stage_at(5)
