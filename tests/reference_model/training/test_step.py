"""The inputs of a step: clips and noise of each process and iteration, and the values that all processes share."""

from contextlib import nullcontext

import pytest
import torch
from tiny_training import build_job, training_config, write_cache

from reference_model.cycle.losses import Losses
from reference_model.training.config import LossWeights
from reference_model.training.distributed import Processes
from reference_model.training.engine import GradientNorms
from reference_model.training.rng import seeded_generator
from reference_model.training.step import train_step, weighted_sum


class PartialGroup(Processes):
    """One of several processes without the others; assumes that they report the same values."""

    def all_reduce(self, values):
        others = values * (self.size - 1)
        others[-1] = 0  # no stop signal
        return values + others

    def raise_together(self):
        return nullcontext()


class Recorder:
    """An engine that records its arguments."""

    name = "ddp"

    def __init__(self):
        self.batches, self.noise, self.lr_factors = [], [], []

    def losses(self, batch, noise, autoencoders, objective):
        self.batches.append(batch)
        self.noise.append(noise)
        return Losses(*torch.ones(len(Losses._fields)))

    def step(self, loss, lr_factor):
        self.lr_factors.append(lr_factor)
        return GradientNorms(1.0, 2.0)


def test_a_stop_signal_to_one_process_stops_all(tmp_path, cache):
    group = PartialGroup(0, 4, torch.device("cpu"))
    job = build_job(tmp_path, training_config(60), cache, "ddp", group)
    stopped, running = (
        train_step(job, Recorder(), group, 0, should_stop=lambda stop=stop: stop) for stop in (True, False)
    )
    assert stopped.should_stop and not running.should_stop
    assert stopped.values["loss"] == pytest.approx(5.0) and stopped.values["learning_rate"] == pytest.approx(5e-4)
    assert (stopped.values["mjd_gradient_norm"], stopped.values["dpa_gradient_norm"]) == (1.0, 2.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def recorded(tmp_path, cache):
    """Return the recorded arguments of some iterations of one process."""

    def record(*iterations, rank=0, size=1, **changes):
        group, engine = PartialGroup(rank, size, torch.device("cpu")), Recorder()
        job = build_job(
            tmp_path / f"{rank}-{size}", training_config(60, **changes), cache, "ddp", PartialGroup(0, size, None)
        )
        for iteration in iterations:
            train_step(job, engine, group, iteration, should_stop=lambda: False)
        return engine

    return record


RANDOM = ("t", "video", "motion", "points", "jitter", "drop_uniform")


def test_noise_depends_on_seed_iteration_and_process_only(recorded):
    (one, again), (next_one,) = recorded(0, 0).noise, recorded(1).noise
    assert all(torch.equal(getattr(one, name), getattr(again, name)) for name in RANDOM)
    first, other = (recorded(0, rank=rank, size=2).noise[0] for rank in range(2))
    seeded = recorded(0, seed=1).noise[0]
    for two in ((one, next_one), (first, other), (one, first), (one, seeded)):
        for name in RANDOM:
            a, b = (getattr(each, name) for each in two)
            assert a.shape != b.shape or not torch.equal(a, b), name


def test_processes_take_different_clips(recorded):
    first, other = (recorded(0, 1, rank=rank, size=2).batches for rank in range(2))
    assert len({float(batch.z_video.sum()) for batch in (*first, *other)}) == 4


def test_all_processes_choose_guidance_alike(recorded):
    one, other = ([noise.guided for noise in recorded(*range(40), rank=r, size=2).noise] for r in (0, 1))
    assert one == other and 4 < sum(one) < 36
    assert one != [noise.guided for noise in recorded(*range(40), seed=1).noise]


def test_the_step_uses_the_learning_rate_of_the_iteration(recorded):
    assert recorded(0, 1, 2, 9, lr_warmup_iterations=4).lr_factors == [0.25, 0.5, 0.75, 1.0]


def test_the_total_loss_weights_each_loss():
    losses = Losses(*torch.tensor([1.0, 10.0, 100.0, 1000.0, 10000.0, 1e9]))
    assert float(weighted_sum(losses, LossWeights())) == 11111
    weights = LossWeights(video=2.0, motion=3.0, depth_range=4.0, points=5.0, chamfer=6.0)
    assert float(weighted_sum(losses, weights)) == 65432


def test_every_key_has_its_own_generator():
    keys = [(0, "noise", 1, 12), (0, "noise", 11, 2), (0, "noise", 112), *((0, "coin", i) for i in range(5000))]
    assert len({seeded_generator(*key).initial_seed() for key in keys}) == len(keys)
    assert torch.equal(*(torch.rand(5, generator=seeded_generator(3, "sample", 7)) for _ in range(2)))
