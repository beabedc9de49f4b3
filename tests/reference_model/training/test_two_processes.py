"""Two processes on each engine: equal losses, parameters replicated or sharded, and a common end at NaN."""

import json
import re

import pytest
import torch
from started_trainings import read_reports, run_two, training_options
from tiny_training import LOOP, TINY, NoAutoencoder, open_tiny, read_curve, training_config, write_cache

from reference_model.cycle.batch import sample_noise
from reference_model.cycle.track_codec import Autoencoders
from reference_model.model import SyncMV4D
from reference_model.training.data import TrainingData
from reference_model.training.rng import seeded_generator
from reference_model.training.step import weighted_sum

pytestmark = pytest.mark.slow
ENGINES = ("ddp", "zero3")
OBJECTIVES = {"warmup": TINY, "joint": LOOP}


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return {
        objective: write_cache(tmp_path_factory.mktemp(objective), config=config)
        for objective, config in OBJECTIVES.items()
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory, caches):
    """Folders of five iterations of each objective on each engine."""
    folders = {
        (engine, objective): tmp_path_factory.mktemp(f"{engine}-{objective}")
        for engine in ENGINES
        for objective in OBJECTIVES
    }
    jobs = [
        training_options(caches[objective], out, engine, {"objective": objective})
        for (engine, objective), out in folders.items()
    ]
    for code, output in run_two(*jobs):
        assert code == 0, output[-3000:]
        warned = [line for line in output.splitlines() if "Warning" in line]
        # DeepSpeed calls what torch will rename.
        assert all("FutureWarning: `torch.distributed" in line for line in warned), warned
    return folders


@pytest.mark.parametrize("engine", ENGINES)
def test_two_processes_take_different_clips(two, engine):
    one, other = read_reports(two[engine, "warmup"])
    assert [(each["world_size"], each["rank"]) for each in (one, other)] == [(2, 0), (2, 1)]
    assert len(one["clips"]) == 5
    assert all(ours != theirs for ours, theirs in zip(one["clips"], other["clips"], strict=True))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_zero3_shards_the_parameters_and_ddp_replicates_them(two, objective):
    """After five iterations, in float32: the shards together equal the parameters of a DDP process."""
    with torch.device("meta"):
        total = sum(each.numel() for each in SyncMV4D(OBJECTIVES[objective]).parameters())
    one, other = read_reports(two["ddp", objective])
    assert one["digest"] == other["digest"] and one["count"] == other["count"] == total
    shards = read_reports(two["zero3", objective])
    assert shards[0]["digest"] != shards[1]["digest"]
    assert all(0 < each["count"] < total for each in shards)
    assert sum(each["count"] for each in shards) == total
    assert sum(each["squares"] for each in shards) == pytest.approx(one["squares"], rel=1e-5)


LOSSES = ("loss", "video", "motion", "depth_range", "points", "chamfer", "mjd_gradient_norm", "dpa_gradient_norm")


def numbers(points):
    return torch.tensor([[point[name] for name in LOSSES] for point in points])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_zero3_and_ddp_give_the_same_losses(two, objective):
    ddp, zero3 = (numbers(read_curve(two[engine, objective])) for engine in ENGINES)
    assert len(ddp) == 5
    torch.testing.assert_close(zero3, ddp, rtol=1e-4, atol=1e-4)
    assert (ddp[1:] - ddp[:-1]).abs().min(dim=0).values.min() > 1e-4  # every loss changes


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_zero3_and_ddp_clip_the_gradients_of_each_network_alike(two, objective):
    """AdamW's updates hide a factor common to all gradients; its first moments, sums of clipped gradients, do not."""
    norms = numbers(read_curve(two["ddp", objective]))[:, -2:]
    assert norms.max(dim=0).values.min() > training_config().max_grad_norm  # both networks were clipped
    ddp, zero3 = (first_moments_in(two[engine, objective] / "checkpoints/00000005", engine) for engine in ENGINES)
    torch.testing.assert_close(zero3, ddp, rtol=1e-3, atol=0.0)


def first_moments_in(folder, engine):
    """Return the norms of AdamW's first moments in a checkpoint, of the diffusion model and of the points aligner; each has two parameter groups."""
    if engine == "ddp":
        optimizer = torch.load(folder / "state.pt")["optimizer"]
        members = [group["params"] for group in optimizer["param_groups"]]
        groups = [[optimizer["state"][index]["exp_avg"].flatten() for index in each] for each in members]
    else:
        shards = [torch.load(path, weights_only=False) for path in sorted(folder.glob("zero3/*optim_states.pt"))]
        states = [shard["optimizer_state_dict"]["optimizer_state_dict"]["state"] for shard in shards]
        groups = [[state[number]["exp_avg"] for state in states] for number in range(4)]
    return torch.stack([torch.cat([*groups[first], *groups[first + 1]]).norm() for first in (0, 2)])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_loop_runs_with_and_without_guidance(two, engine):
    for each in read_reports(two[engine, "joint"]):
        assert len(each["guided"]) == 5 and set(each["guided"]) == {True, False}
        assert each["found"] > 0


def test_two_processes_equal_one_process_with_both_batches(two, caches):
    config = training_config()
    engine, data, means = open_tiny("ddp", config), TrainingData(caches["warmup"], TINY, seed=config.seed), []
    for iteration in range(5):
        both = []
        for rank in range(2):
            batch = data.load_batch(iteration, 1, rank, 2).batch
            own, shared = (
                seeded_generator(config.seed, "noise", iteration, rank, 2),
                seeded_generator(config.seed, "coin", iteration),
            )
            noise = sample_noise(batch, TINY, own, shared)
            both.append(engine.losses(batch, noise, Autoencoders(NoAutoencoder(), NoAutoencoder()), config.stages[0]))
        total = torch.stack([weighted_sum(losses, config.loss_weights) for losses in both]).mean()
        mean = [float(torch.stack(each).mean().detach()) for each in zip(*both, strict=True)]
        means.append([float(total.detach()), *mean[:5], *engine.step(total, config.lr_factor(iteration))])
    torch.testing.assert_close(numbers(read_curve(two["ddp", "warmup"])), torch.tensor(means), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def failed(tmp_path_factory, caches):
    """Folders of trainings where the second process's clip is NaN in iteration 1, or its gradients are infinite; and both clips."""
    data = TrainingData(caches["warmup"], TINY, seed=0)
    clips = [data.choose_samples(1, 1, rank, 2)[0].clip for rank in range(2)]
    faults = {"nan": {"nan_clip": clips[1]}, "infinite": {"infinite_gradient": 1}}
    folders = {(engine, what): tmp_path_factory.mktemp(f"{engine}-{what}") for engine in ENGINES for what in faults}
    settings = {"save_every": 1, "iterations": 3}
    jobs = [
        training_options(caches["warmup"], out, engine, settings) | faults[what]
        for (engine, what), out in folders.items()
    ]
    for code, output in run_two(*jobs):
        assert code == 0, output[-3000:]
    return folders, clips


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["nan", "infinite"])
def test_nan_in_one_process_ends_both_and_leaves_checkpoints_unchanged(failed, engine, what):
    folders, clips = failed
    out = folders[engine, what]
    endings = [each["ending"] for each in read_reports(out)]
    assert endings[0] == endings[1]
    named = f"motion, .* of {clips[1]}" if what == "nan" else f"gradient of {clips[0]}; gradient of {clips[1]}"
    assert re.match(rf"iteration 1, stage only: NaN or infinite (video, )?{named}\. The state before", endings[0])
    assert len(read_curve(out)) == 1 and [path.name for path in (out / "checkpoints").iterdir()] == ["00000001"]
    good, saved = (weights_in(folder, engine) for folder in (out / "checkpoints/00000001", out / "failed-00000001"))
    assert len(good) == len(saved) and all(torch.equal(*pair) for pair in zip(good, saved, strict=True))
    assert all(each.isfinite().all() for each in good)


def weights_in(folder, engine):
    """Return the float32 weights in a checkpoint: DDP's tensors, or ZeRO-3's flat shards of both processes."""
    processes = json.loads((folder / "checkpoint.json").read_text())["processes"]
    if engine == "ddp":
        return list(torch.load(folder / "state.pt")["model"].values())
    shards = [torch.load(path, weights_only=False) for path in sorted(folder.glob("zero3/*optim_states.pt"))]
    assert len(shards) == processes
    return [flat for shard in shards for flat in shard["optimizer_state_dict"]["fp32_flat_groups"]]
