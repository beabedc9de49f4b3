"""Both readings of Algorithm 1 through real models, small ones, and real coders: whole, finite, and different in what a reading changes."""

import dataclasses
import functools

import pytest
import torch
from tiny_loop import LATENT, B, FoldingCoder, K, N, V, tiny_batch, tiny_config, tiny_draws, tiny_models

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.bridge import Bridge
from reference_model.cycle.joint_step import joint_step
from reference_model.cycle.rig import rig_of
from reference_model.cycle.sample import Conditions, sample
from reference_model.latents import VideoCoder
from reference_model.wan import load_vae

READINGS = ("x0", "algorithm1_literal")
FLOW = FlowConfig(steps=2, shift=2.0, guidance_scale=3.0)


class Whole:
    """Models of fixed random weights, a batch and the bridge between them, through one coder."""

    def __init__(self, coder, channels):
        config = tiny_config(channels)
        self.config = dataclasses.replace(config, flow=FLOW)
        self.mjd, self.dpa = tiny_models(config)
        self.batch = tiny_batch(coder)
        cameras, rig = self.batch.cameras, rig_of(self.batch.cameras, config.cycle.unit)
        self.bridge = Bridge(coder, cameras, rig, self.batch.anchors, self.batch.there, config.pseudo_video)

    @functools.cache  # noqa: B019  (as long as the tests)
    def losses(self, reading):
        """Of a guided iteration in which gradients pass through the decoder, and the largest gradient of each model."""
        draws = tiny_draws(self.batch, self.config, guided=True)
        cycle = CycleConfig(reading=reading, gradient="full")
        losses = joint_step(self.mjd, self.dpa, self.batch, draws, self.bridge, FLOW, cycle)
        models = [list(model.parameters()) for model in (self.mjd, self.dpa)]
        slopes = torch.autograd.grad(sum(losses[:-1]), [each for model in models for each in model], allow_unused=True)
        parts = slopes[: len(models[0])], slopes[len(models[0]) :]
        return losses, [torch.stack([each.abs().max() for each in part if each is not None]).max() for part in parts]

    @functools.cache  # noqa: B019
    def sampled(self, reading):
        """A sample of fixed noise."""
        batch = self.batch
        given = Conditions(
            batch.z_video[:, :, :, :1], batch.text, -batch.text, batch.normal_anchors, None, (N, LATENT[0])
        )
        generator = torch.Generator().manual_seed(3)
        return sample(self.mjd, self.dpa, given, self.bridge, FLOW, CycleConfig(reading=reading), generator)


@pytest.fixture(scope="module", params=["wan", "folding"])
def whole(request, wan_folder):
    """Wan's autoencoder of random weights, and one that gives back what it was given."""
    if request.param == "wan":
        return Whole(VideoCoder(load_vae(wan_folder)), 16)
    return Whole(FoldingCoder(), FoldingCoder.channels)


@pytest.mark.parametrize("reading", READINGS)
def test_a_training_step_is_finite_and_reaches_both_models(whole, reading):
    losses, slopes = whole.losses(reading)
    assert all(loss.shape == () and loss.isfinite() and loss > 0 for loss in losses)
    assert all(slope.isfinite() and slope > 0 for slope in slopes)


@pytest.mark.parametrize("reading", READINGS)
def test_a_sample_is_finite_and_whole(whole, reading):
    sampled = whole.sampled(reading)
    latents = (B, V, whole.config.mjd.in_channels, *LATENT)
    assert [tuple(each.shape) for each in sampled] == [latents, latents, (B, V, N, K, 3), (B, V, 2)]
    assert all(each.isfinite().all() for each in sampled)
    assert torch.equal(sampled.z_video[:, :, :, :1], whole.batch.z_video[:, :, :, :1])


def test_readings_differ_in_training_by_what_guides_and_what_is_refined(whole):
    (x0, _), (literal, _) = map(whole.losses, READINGS)
    for name in ("video", "motion", "scale"):  # of one and the same noise, with other guidance
        assert getattr(x0, name) != getattr(literal, name), name
    if isinstance(whole.bridge.autoencoder, FoldingCoder):  # random weights of Wan's decode no point, in either reading
        assert x0.points != literal.points and x0.chamfer != literal.chamfer


def test_readings_differ_in_the_tracks_that_are_sampled(whole):
    x0, literal = map(whole.sampled, READINGS)
    assert (x0.M - literal.M).abs().max() > 1e-3
    assert not torch.equal(x0.z_motion, literal.z_motion)  # by the guidance of the second step
