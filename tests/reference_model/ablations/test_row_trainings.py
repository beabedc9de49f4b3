"""Training of the rows: the common start, then the same clips for every row, and the trained models saved and loaded."""

import dataclasses

import pytest
import torch
from tiny_training import CODER, LOOP, SINGLE_PROCESS, training_config, write_cache

from reference_model.ablations.rows import ROWS, START_CHANGES, all_changes
from reference_model.config import ABLATIONS, preset, with_changes
from reference_model.cycle.track_codec import Autoencoders
from reference_model.loading.saved_model import save_model
from reference_model.loading.transformer import load_from_start, load_mjd
from reference_model.model import SyncMV4D
from reference_model.training.config import launch_file, read_launch
from reference_model.training.data import TrainingData
from reference_model.training.engine import open_engine
from reference_model.training.run_folder import RunFolder
from reference_model.training.step import TrainingJob, train_step

TRAINED = [name for name, row in ROWS.items() if not row.weights]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache") / "latents", config=LOOP, views=2)


def data_of(cache, name, clusters="all"):
    return TrainingData(cache, with_changes(LOOP, all_changes(name)), seed=3, clusters=clusters)


def train_steps(folder, config, cache, objective, model, clusters="all"):
    """Run an iteration of a training, and return its model and the losses."""
    training = training_config(iterations=2, objective=objective, batch_size=2, clusters=clusters)
    data = TrainingData(cache, config, seed=training.seed, clusters=clusters)
    engine = open_engine("ddp", model, training, SINGLE_PROCESS)
    job = TrainingJob(RunFolder(folder), config, training, [data], Autoencoders(CODER, CODER), 2)
    losses = [train_step(job, engine, SINGLE_PROCESS, n, should_stop=lambda: False).values for n in range(2)]
    return engine.model, losses


@pytest.fixture(scope="module")
def start(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    config = with_changes(LOOP, START_CHANGES)
    torch.manual_seed(0)
    model, losses = train_steps(folder / "run", config, cache, "warmup", SyncMV4D(config), clusters="one")
    assert all(each["video"] > 0 and each["motion"] == each["points"] == 0 for each in losses)
    save_model(folder / "model", model)
    return folder / "model"


@pytest.mark.parametrize("name", TRAINED)
def test_each_row_trains_from_the_start_and_its_model_is_saved(name, start, cache, tmp_path):
    config = with_changes(LOOP, all_changes(name))
    torch.manual_seed(0)
    model = SyncMV4D(config, load_from_start(start, config))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model, losses = train_steps(tmp_path / "run", config, cache, "joint", model)
    has_aligner = "aligner" not in all_changes(name)
    for each in losses:
        assert each["video"] > 0
        assert (each["motion"] > 0) == (name != "video_only")
        assert (each["points"] > 0) == (each["dpa_gradient_norm"] > 0) == has_aligner
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert {key.partition(".")[0] for key in moved} == ({"mjd", "dpa"} if has_aligner else {"mjd"})
    save_model(tmp_path / "model", model)
    loaded = load_mjd(tmp_path / "model/mjd", config)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.mjd.state_dict().items())
    assert (tmp_path / "model/dpa").is_dir() == has_aligner


def test_one_view_at_a_time_trains_on_the_views_of_the_others(cache):
    together, alone = (data_of(cache, name).load_batch(5, 2, 0, 1) for name in ("full", "single_view"))
    assert alone.clips == tuple(clip for clip in together.clips for _ in range(3))
    for name in ("z_video", "z_motion", "s", "world", "anchors", "point_mask"):
        views = getattr(together.batch, name)
        assert torch.equal(getattr(alone.batch, name), views.flatten(0, 1)[:, None]), name
    assert torch.equal(alone.batch.text, together.batch.text.repeat_interleave(3, dim=0))
    assert torch.equal(alone.batch.cameras.K, together.batch.cameras.K.flatten(0, 1)[:, None])


def test_every_row_has_the_same_clips_in_the_same_order(cache):
    choices = {name: [data_of(cache, name).choose_samples(n, 2, 0, 1) for n in range(6)] for name in TRAINED}
    assert all(each == choices["full"] for each in choices.values())
    assert len(data_of(cache, "single_view", clusters="one").choose_samples(0, 1, 0, 1)[0].views) == 1


@pytest.mark.parametrize("name", ABLATIONS)
def test_the_rows_of_a_base_have_one_launch_configuration_and_the_start_its_own(name):
    base, _, row = name.partition("-")
    if name == "wan22_5b-start":  # Wan2.2 is its start
        assert not launch_file(name).exists()
        return
    model, training = read_launch(launch_file(name), preset(name))
    assert model == preset(name)
    assert launch_file(name).name == f"{base}-{'start' if row == 'start' else 'row'}.toml"
    assert training.clusters == ("one" if row == "start" else "all")
    assert all(stage.networks == "both" for stage in training.stages)


def test_a_stage_for_the_aligner_alone_is_refused_without_one(cache):
    config = with_changes(LOOP, all_changes("no_aligner"))
    training = training_config()
    stage = dataclasses.replace(training.stages[0], networks="dpa")
    with pytest.raises(ValueError, match="stage only trains the points aligner, which this model lacks"):
        open_engine("ddp", SyncMV4D(config), dataclasses.replace(training, stages=(stage,)), SINGLE_PROCESS)
