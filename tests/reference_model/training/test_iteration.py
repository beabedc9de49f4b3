"""What one iteration asks the data and the engine for: clips and noise of its own, of each process, and what all processes share."""

from contextlib import nullcontext

import pytest
import torch
from tiny_training import prepared, training, write_cache

from reference_model.cycle.losses import Losses
from reference_model.training.config import LossWeights
from reference_model.training.iteration import iterate, weighted
from reference_model.training.seeds import generator
from reference_model.training.world import World


class OneOf(World):
    """One of several processes, whose others are not there: what it gathers is its own."""

    def summed(self, numbers):
        others = numbers * (self.size - 1)
        others[-1] = 0  # nobody asked them to stop
        return numbers + others

    def together(self):
        return nullcontext()


class Recorder:
    """An engine that keeps what it is asked for."""

    name = "ddp"

    def __init__(self):
        self.batches, self.noise, self.rates = [], [], []

    def losses(self, batch, noise, autoencoder, stage):
        self.batches.append(batch)
        self.noise.append(noise)
        return Losses(*torch.ones(len(Losses._fields)))

    def step(self, loss, rate):
        self.rates.append(rate)
        return 1.0


def test_who_is_asked_to_stop_stops_all(tmp_path, cache):
    world = OneOf(0, 4, torch.device("cpu"))
    job = prepared(tmp_path, training(60), cache, "ddp", world)
    asked, not_asked = (iterate(job, Recorder(), world, 0, stop_asked=lambda stop=stop: stop) for stop in (True, False))
    assert asked.stop and not not_asked.stop
    assert asked.numbers["loss"] == pytest.approx(5.0) and asked.numbers["rate"] == pytest.approx(5e-4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def recorded(tmp_path, cache):
    """What the iterations of one process of several are asked for."""

    def record(*iterations, rank=0, size=1, **changes):
        world, engine = OneOf(rank, size, torch.device("cpu")), Recorder()
        job = prepared(tmp_path / f"{rank}-{size}", training(60, **changes), cache, "ddp", OneOf(0, size, None))
        for iteration in iterations:
            iterate(job, engine, world, iteration, stop_asked=lambda: False)
        return engine

    return record


RANDOM = ("t", "video", "motion", "points", "jitter", "drop_uniform")


def test_noise_is_of_one_seed_iteration_and_process_alone(recorded):
    (one, again), (next_one,) = recorded(0, 0).noise, recorded(1).noise
    assert all(torch.equal(getattr(one, name), getattr(again, name)) for name in RANDOM)
    first, other = (recorded(0, rank=rank, size=2).noise[0] for rank in range(2))
    seeded = recorded(0, seed=1).noise[0]
    for two in ((one, next_one), (first, other), (one, first), (one, seeded)):
        for name in RANDOM:
            a, b = (getattr(each, name) for each in two)
            assert a.shape != b.shape or not torch.equal(a, b), name


def test_processes_take_clips_of_their_own_and_each_clip_with_its_own_views(recorded):
    first, other = (recorded(0, 1, rank=rank, size=2).batches for rank in range(2))
    assert len({float(batch.z_video.sum()) for batch in (*first, *other)}) == 4


def test_all_processes_toss_one_coin_and_toss_it_anew_each_iteration(recorded):
    one, other = ([noise.guided for noise in recorded(*range(40), rank=r, size=2).noise] for r in (0, 1))
    assert one == other and 4 < sum(one) < 36
    assert one != [noise.guided for noise in recorded(*range(40), seed=1).noise]


def test_the_step_is_taken_at_the_rate_of_the_iteration(recorded):
    assert recorded(0, 1, 2, 9, rate_warmup=4).rates == [0.25, 0.5, 0.75, 1.0]


def test_the_sum_of_the_losses_has_each_times_its_own_weight():
    losses = Losses(*torch.tensor([1.0, 10.0, 100.0, 1000.0, 10000.0, 1e9]))
    assert float(weighted(losses, LossWeights())) == 11111
    weights = LossWeights(video=2.0, motion=3.0, scale=4.0, points=5.0, chamfer=6.0)
    assert float(weighted(losses, weights)) == 65432


def test_every_purpose_has_a_generator_of_its_own():
    keys = [(0, "noise", 1, 12), (0, "noise", 11, 2), (0, "noise", 112), *((0, "coin", i) for i in range(5000))]
    assert len({generator(*key).initial_seed() for key in keys}) == len(keys)
    assert torch.equal(*(torch.rand(5, generator=generator(3, "sample", 7)) for _ in range(2)))
