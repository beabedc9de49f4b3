"""Both readings of Algorithm 1, and the literal presets, with real small models and coders: complete, finite, and different."""

import dataclasses
import functools

import pytest
import torch
from tiny_loop import LATENT, B, FoldingCoder, K, N, V, tiny_batch, tiny_config, tiny_models, tiny_noise

from reference_model.config import FlowConfig, literal_twin
from reference_model.cycle.batch import sample_noise
from reference_model.cycle.sampler import Conditions, sample
from reference_model.cycle.track_codec import Autoencoders
from reference_model.loading.autoencoder import WanAutoencoder, load_vae
from reference_model.mjd.initialization import init_new_parameters
from reference_model.model import SyncMV4D

READINGS = ("x0", "algorithm1_literal")
SETTINGS = (*READINGS, "literal_twin")
"""Either reading alone, and the presets NAME_literal: guidance added as in line 9, in every iteration; velocities; all gradients."""


def config_of(setting, channels):
    config = tiny_config(channels)
    config = dataclasses.replace(config, flow=FlowConfig(steps=2, shift=2.0, text_guidance_scale=3.0))
    if setting == "literal_twin":
        return literal_twin(config)
    return dataclasses.replace(config, cycle=dataclasses.replace(config.cycle, reading=setting, gradient="full"))


class TinyModels:
    """Models of fixed random weights, a batch and the track_codec between them, through one autoencoder."""

    def __init__(self, autoencoder, channels):
        self.autoencoder, self.channels, self.batch = autoencoder, channels, tiny_batch(autoencoder)

    @functools.cache  # noqa: B019  (as long as the tests)
    def model(self, setting):
        """Return a model with random weights, as after training; for ``literal_twin`` with the new parameters' initial values."""
        config = config_of(setting, self.channels)
        model = SyncMV4D(config, *tiny_models(config))
        if setting == "literal_twin":
            init_new_parameters(model.mjd)
        return model

    @functools.cache  # noqa: B019
    def losses(self, setting):
        """Return the losses of an iteration with guidance, and the largest gradient of each of the two models."""
        model = self.model(setting)
        losses = model(
            self.batch,
            tiny_noise(self.batch, model.config, guided=True),
            Autoencoders(self.autoencoder, self.autoencoder),
        )
        models = [list(part.parameters()) for part in (model.mjd, model.dpa)]
        slopes = torch.autograd.grad(sum(losses[:-1]), [each for part in models for each in part], allow_unused=True)
        parts = slopes[: len(models[0])], slopes[len(models[0]) :]
        return losses, [torch.stack([each.abs().max() for each in part if each is not None]).max() for part in parts]

    @functools.cache  # noqa: B019
    def sampled(self, setting):
        """Return a sample from fixed noise."""
        batch, model = self.batch, self.model(setting)
        conditions = Conditions(
            batch.z_video[:, :, :, :1], batch.text, -batch.text, batch.normalized_anchors, None, (N, LATENT[0])
        )
        generator, track_codec = torch.Generator().manual_seed(3), model.build_track_codec(batch, self.autoencoder)
        return sample(model.mjd, model.dpa, conditions, track_codec, model.config.flow, model.config.cycle, generator)


@pytest.fixture(scope="module", params=["wan", "folding"])
def setup(request, wan_folder):
    """Wan's autoencoder of random weights, and one whose decoder inverts its encoder exactly."""
    if request.param == "wan":
        return TinyModels(WanAutoencoder(load_vae(wan_folder)), 16)
    return TinyModels(FoldingCoder(), FoldingCoder.channels)


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
    for name in ("video", "motion", "depth_range"):  # the noise is the same, the guidance differs
        assert getattr(x0, name) != getattr(literal, name), name
    if isinstance(setup.autoencoder, FoldingCoder):  # random weights of Wan's decode no point, in either reading
        assert x0.points != literal.points and x0.chamfer != literal.chamfer


def test_readings_differ_in_the_sampled_tracks(setup):
    x0, literal = map(setup.sampled, READINGS)
    assert (x0.M - literal.M).abs().max() > 1e-3
    assert not torch.equal(x0.z_motion, literal.z_motion)  # because of the second step's guidance


def test_the_literal_twin_adds_guidance_in_every_iteration(setup):
    """The guidance's weight equals that of the patch embedding, as line 9 prints, and no iteration lacks guidance."""
    model = setup.model("literal_twin")
    assert torch.equal(model.mjd.guidance_embedding.weight, model.mjd.patch_embedding.weight)
    generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
    assert all(sample_noise(setup.batch, model.config, each, each).guided for each in generators)
    unguided = tiny_noise(setup.batch, model.config, guided=False)
    with torch.no_grad():
        without = model(setup.batch, unguided, Autoencoders(setup.autoencoder, setup.autoencoder))
    losses, _ = setup.losses("literal_twin")
    assert all(getattr(losses, name) != getattr(without, name) for name in ("video", "motion", "depth_range"))
