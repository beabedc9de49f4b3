"""Both readings of Algorithm 1, and the literal presets, through real small models and coders: complete, finite, and different."""

import dataclasses
import functools

import pytest
import torch
from tiny_loop import LATENT, B, FoldingCoder, K, N, V, tiny_batch, tiny_config, tiny_models, tiny_noise

from reference_model.config import FlowConfig, literal_twin
from reference_model.cycle.batch import sample_noise
from reference_model.cycle.sampler import Conditions, sample
from reference_model.loading.autoencoder import WanAutoencoder, load_vae
from reference_model.mjd.initialization import init_new_parameters
from reference_model.model import SyncMV4D

READINGS = ("x0", "algorithm1_literal")
SETTINGS = (*READINGS, "literal_twin")
"""Either reading alone, and what a preset NAME_literal is: guidance as line 9 adds it, in each iteration, velocities, every gradient."""


def config_of(setting, channels):
    config = tiny_config(channels)
    config = dataclasses.replace(config, flow=FlowConfig(steps=2, shift=2.0, text_guidance_scale=3.0))
    if setting == "literal_twin":
        return literal_twin(config)
    return dataclasses.replace(config, cycle=dataclasses.replace(config.cycle, reading=setting, gradient="full"))


class Whole:
    """Models of fixed random weights, a batch and the track_codec between them, through one autoencoder."""

    def __init__(self, autoencoder, channels):
        self.autoencoder, self.channels, self.batch = autoencoder, channels, tiny_batch(autoencoder)

    @functools.cache  # noqa: B019  (as long as the tests)
    def model(self, setting):
        """With all weights as after training, or to the letter as they are before it."""
        config = config_of(setting, self.channels)
        model = SyncMV4D(config, *tiny_models(config))
        if setting == "literal_twin":
            init_new_parameters(model.mjd)
        return model

    @functools.cache  # noqa: B019
    def losses(self, setting):
        """Of a guided iteration in which gradients pass through the decoder, and the largest gradient of each model."""
        model = self.model(setting)
        losses = model(self.batch, tiny_noise(self.batch, model.config, guided=True), self.autoencoder)
        models = [list(part.parameters()) for part in (model.mjd, model.dpa)]
        slopes = torch.autograd.grad(sum(losses[:-1]), [each for part in models for each in part], allow_unused=True)
        parts = slopes[: len(models[0])], slopes[len(models[0]) :]
        return losses, [torch.stack([each.abs().max() for each in part if each is not None]).max() for part in parts]

    @functools.cache  # noqa: B019
    def sampled(self, setting):
        """A sample of fixed noise."""
        batch, model = self.batch, self.model(setting)
        given = Conditions(
            batch.z_video[:, :, :, :1], batch.text, -batch.text, batch.normalized_anchors, None, (N, LATENT[0])
        )
        generator, track_codec = torch.Generator().manual_seed(3), model.build_track_codec(batch, self.autoencoder)
        return sample(model.mjd, model.dpa, given, track_codec, model.config.flow, model.config.cycle, generator)


@pytest.fixture(scope="module", params=["wan", "folding"])
def setup(request, wan_folder):
    """Wan's autoencoder of random weights, and one that gives back what it was given."""
    if request.param == "wan":
        return Whole(WanAutoencoder(load_vae(wan_folder)), 16)
    return Whole(FoldingCoder(), FoldingCoder.channels)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_training_step_is_finite_and_reaches_both_models(setup, setting):
    losses, slopes = setup.losses(setting)
    assert all(loss.shape == () and loss.isfinite() and loss > 0 for loss in losses)
    assert all(slope.isfinite() and slope > 0 for slope in slopes)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_sample_is_finite_and_has_all_outputs(setup, setting):
    sampled = setup.sampled(setting)
    latents = (B, V, setup.channels, *LATENT)
    assert [tuple(each.shape) for each in sampled] == [latents, latents, (B, V, N, K, 3), (B, V, 2)]
    assert all(each.isfinite().all() for each in sampled)
    assert torch.equal(sampled.z_video[:, :, :, :1], setup.batch.z_video[:, :, :, :1])


def test_readings_differ_in_the_losses(setup):
    (x0, _), (literal, _) = map(setup.losses, READINGS)
    for name in ("video", "motion", "depth_range"):  # of one and the same noise, with other guidance
        assert getattr(x0, name) != getattr(literal, name), name
    if isinstance(setup.autoencoder, FoldingCoder):  # random weights of Wan's decode no point, in either reading
        assert x0.points != literal.points and x0.chamfer != literal.chamfer


def test_readings_differ_in_the_sampled_tracks(setup):
    x0, literal = map(setup.sampled, READINGS)
    assert (x0.M - literal.M).abs().max() > 1e-3
    assert not torch.equal(x0.z_motion, literal.z_motion)  # by the guidance of the second step


def test_the_literal_twin_adds_guidance_in_every_iteration(setup):
    """Line 9 to the letter: W of the guidance is the patch embedding's own, and no coin leaves it out."""
    model = setup.model("literal_twin")
    assert torch.equal(model.mjd.guidance_embedding.weight, model.mjd.patch_embedding.weight)
    generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
    assert all(sample_noise(setup.batch, model.config, each, each).guided for each in generators)
    unguided = tiny_noise(setup.batch, model.config, guided=False)
    with torch.no_grad():
        without = model(setup.batch, unguided, setup.autoencoder)
    losses, _ = setup.losses("literal_twin")
    assert all(getattr(losses, name) != getattr(without, name) for name in ("video", "motion", "depth_range"))
