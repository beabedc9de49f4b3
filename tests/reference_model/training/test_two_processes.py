"""Two processes on either engine: the same losses, parameters whole on each or shared out, and an end for both when one meets NaN."""

import json
import re

import pytest
import torch
from started_trainings import asked, seen, together
from tiny_training import LOOP, TINY, NoAutoencoder, curve, open_tiny, training, write_cache

from reference_model.cycle.batch import sample_noise
from reference_model.model import SyncMV4D
from reference_model.training.data import TrainingData
from reference_model.training.iteration import weighted
from reference_model.training.seeds import generator

pytestmark = pytest.mark.slow
ENGINES = ("ddp", "zero3")
STAGES = {"warmup": TINY, "joint": LOOP}


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return {stage: write_cache(tmp_path_factory.mktemp(stage), config=config) for stage, config in STAGES.items()}


@pytest.fixture(scope="module")
def two(tmp_path_factory, caches):
    """Five iterations of either stage on either engine; the folders."""
    folders = {(engine, stage): tmp_path_factory.mktemp(f"{engine}-{stage}") for engine in ENGINES for stage in STAGES}
    jobs = [asked(caches[stage], out, engine, {"stage": stage}) for (engine, stage), out in folders.items()]
    for code, told in together(*jobs):
        assert code == 0, told[-3000:]
        warned = [line for line in told.splitlines() if "Warning" in line]
        # DeepSpeed calls what torch will rename.
        assert all("FutureWarning: `torch.distributed" in line for line in warned), warned
    return folders


@pytest.mark.parametrize("engine", ENGINES)
def test_two_processes_take_different_clips(two, engine):
    one, other = seen(two[engine, "warmup"])
    assert [(each["world_size"], each["rank"]) for each in (one, other)] == [(2, 0), (2, 1)]
    assert len(one["clips"]) == 5
    assert all(ours != theirs for ours, theirs in zip(one["clips"], other["clips"], strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_zero3_shares_the_parameters_out_and_ddp_has_them_twice(two, stage):
    """In float32, after five iterations: the shards hold together what each process of DDP holds."""
    with torch.device("meta"):
        whole = sum(each.numel() for each in SyncMV4D(STAGES[stage]).parameters())
    one, other = seen(two["ddp", stage])
    assert one["digest"] == other["digest"] and one["numbers"] == other["numbers"] == whole
    shards = seen(two["zero3", stage])
    assert shards[0]["digest"] != shards[1]["digest"]
    assert all(0 < each["numbers"] < whole for each in shards)
    assert sum(each["numbers"] for each in shards) == whole
    assert sum(each["squares"] for each in shards) == pytest.approx(one["squares"], rel=1e-5)


LOSSES = ("loss", "video", "motion", "scale", "points", "chamfer", "gradient")


def numbers(points):
    return torch.tensor([[point[name] for name in LOSSES] for point in points])


@pytest.mark.parametrize("stage", STAGES)
def test_zero3_and_ddp_give_the_same_losses(two, stage):
    ddp, zero3 = (numbers(curve(two[engine, stage])) for engine in ENGINES)
    assert len(ddp) == 5
    torch.testing.assert_close(zero3, ddp, rtol=1e-4, atol=1e-4)
    assert (ddp[1:] - ddp[:-1]).abs().min(dim=0).values.min() > 1e-4  # which they would not be by standing still


@pytest.mark.parametrize("engine", ENGINES)
def test_the_loop_was_gone_through_with_and_without_guidance(two, engine):
    for each in seen(two[engine, "joint"]):
        assert len(each["guided"]) == 5 and set(each["guided"]) == {True, False}
        assert each["found"] > 0


def test_two_processes_are_one_process_with_both_their_batches(two, caches):
    config = training()
    engine, data, means = open_tiny("ddp", config), TrainingData(caches["warmup"], TINY, seed=config.seed), []
    for iteration in range(5):
        both = []
        for rank in range(2):
            batch = data.sample(iteration, 1, rank, 2).batch
            own, shared = generator(config.seed, "noise", iteration, rank, 2), generator(config.seed, "coin", iteration)
            noise = sample_noise(batch, TINY, own, shared)
            both.append(engine.losses(batch, noise, NoAutoencoder(), "warmup"))
        total = torch.stack([weighted(losses, config.weights) for losses in both]).mean()
        mean = [float(torch.stack(each).mean().detach()) for each in zip(*both, strict=True)]
        means.append([float(total.detach()), *mean[:5], engine.step(total, config.rate(iteration))])
    torch.testing.assert_close(numbers(curve(two["ddp", "warmup"])), torch.tensor(means), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def failed(tmp_path_factory, caches):
    """In iteration 1 the clip of the second process is NaN, or its gradients are; the folders, and both clips of that iteration."""
    data = TrainingData(caches["warmup"], TINY, seed=0)
    clips = [data.choices(1, 1, rank, 2)[0].clip for rank in range(2)]
    faults = {"nan": {"nan": clips[1]}, "steep": {"steep": 1}}
    folders = {(engine, what): tmp_path_factory.mktemp(f"{engine}-{what}") for engine in ENGINES for what in faults}
    settings = {"save_every": 1, "iterations": 3}
    jobs = [asked(caches["warmup"], out, engine, settings) | faults[what] for (engine, what), out in folders.items()]
    for code, told in together(*jobs):
        assert code == 0, told[-3000:]
    return folders, clips


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["nan", "steep"])
def test_nan_of_one_process_ends_both_and_harms_no_checkpoint(failed, engine, what):
    folders, clips = failed
    out = folders[engine, what]
    endings = [each["ending"] for each in seen(out)]
    assert endings[0] == endings[1]
    named = f"motion, .* of {clips[1]}" if what == "nan" else f"gradient of {clips[0]}; gradient of {clips[1]}"
    assert re.match(rf"iteration 1, stage only: NaN or infinite (video, )?{named}\. The state before", endings[0])
    assert len(curve(out)) == 1 and [path.name for path in (out / "checkpoints").iterdir()] == ["00000001"]
    good, kept = (weights_in(folder, engine) for folder in (out / "checkpoints/00000001", out / "failed-00000001"))
    assert len(good) == len(kept) and all(torch.equal(*pair) for pair in zip(good, kept, strict=True))
    assert all(each.isfinite().all() for each in good)


def weights_in(folder, engine):
    """The float32 weights in a checkpoint, of DDP as they are, of ZeRO-3 as both processes hold them."""
    processes = json.loads((folder / "checkpoint.json").read_text())["processes"]
    if engine == "ddp":
        return list(torch.load(folder / "state.pt")["model"].values())
    shards = [torch.load(path, weights_only=False) for path in sorted(folder.glob("zero3/*optim_states.pt"))]
    assert len(shards) == processes
    return [flat for shard in shards for flat in shard["optimizer_state_dict"]["fp32_flat_groups"]]
