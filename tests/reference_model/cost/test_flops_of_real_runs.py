"""Counted operations equal those of real runs: MJD, DPA, the autoencoder, and complete steps of sampling and training."""

import dataclasses

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny_loop import LATENT, FoldingCoder, tiny_batch, tiny_config, tiny_models, tiny_noise
from tiny_wan import write_vae
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reference_model.config import CycleConfig
from reference_model.cost.flops import Flops, count_part, count_steps, sparse_convolution_flops
from reference_model.cycle.sampler import Conditions, sample
from reference_model.cycle.track_codec import Autoencoders
from reference_model.dpa.sparse_conv import SubmanifoldConv, build_voxel_map
from reference_model.loading.autoencoder import WanAutoencoder
from reference_model.model import SyncMV4D

CHANNELS, LOAD = FoldingCoder.channels, 200


def count_run(run):
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


class LoadedCoder(FoldingCoder):
    """A autoencoder with an extra matrix product of ``OPERATIONS`` per video, and as much in the backward."""

    OPERATIONS = 2 * LOAD * CHANNELS * LATENT[0] * LATENT[1] * LATENT[2]

    def encode(self, video):
        z = super().encode(video)
        return z + 0 * (z.reshape(1, -1) @ torch.ones(z.numel(), LOAD)).sum()

    def decode(self, z):
        return super().decode(z) + 0 * (z.reshape(1, -1) @ torch.ones(z.numel(), LOAD)).sum()


def small(**cycle):
    """A configuration of the size of ``tiny_batch``."""
    return tiny_config(CHANNELS, cycle=CycleConfig(**cycle))


@pytest.fixture(scope="module")
def batch():
    """One sample whose views all have K points, with the configuration's number of text tokens."""
    batch = tiny_batch(LoadedCoder(), batch=1)
    text = batch.text[:, :1].expand(-1, small().text_tokens, -1)
    return batch._replace(text=text, point_mask=torch.ones_like(batch.point_mask))


@pytest.fixture(scope="module")
def flops():
    config, load = small(), LoadedCoder.OPERATIONS
    parts = {part: count_part(part, config) for part in ("forward", "training_step", "align", "alignment_step")}
    return Flops(
        **parts, encode=load, decode=load, decode_backward=load, sparse_convolution=sparse_convolution_flops(config)
    )


class SavedOperations:
    """Counts the operations that a model's sparse convolutions save, since voxels have few neighbours."""

    def __init__(self, dpa):
        self.operations = 0
        self.first = []
        for block in dpa.blocks:
            block.conv.register_forward_hook(self.count)

    def count(self, conv, given, out):
        x, at = given
        neighbours = int((at.neighbours >= 0).sum())
        self.first.append(neighbours)
        # A checkpointed training step calls this in both forwards; its backward costs two forwards.
        self.operations += (2 if torch.is_grad_enabled() else 1) * 2 * x.shape[1] ** 2 * (27 * len(x) - neighbours)


@torch.no_grad()
def test_forward_of_mjd(batch, flops):
    mjd, _ = tiny_models(small())
    z = batch.z_video
    assert count_run(lambda: mjd(z, z, z[:, :, :, :1], batch.text, torch.ones(1), z)) == flops.forward


@pytest.mark.parametrize("changes", [{}, {"window": None, "temporal": True}], ids=str)
def test_forward_and_training_step_of_dpa(batch, changes):
    config = small()
    config = dataclasses.replace(config, dpa=dataclasses.replace(config.dpa, **changes))
    _, dpa = tiny_models(config)
    M_t = torch.randn(batch.world.shape, generator=torch.Generator().manual_seed(0))
    given = M_t, M_t, M_t[..., 0] < 0.5, batch.normalized_anchors, torch.rand(1)
    saved = SavedOperations(dpa)
    with torch.no_grad():
        forward = count_run(lambda: dpa(*given))
    most = sparse_convolution_flops(config)
    assert 0 < saved.operations < most
    assert forward == count_part("align", config) - saved.operations
    assert most - saved.operations == sparse_convolution_flops(config, saved.first[0])
    dpa.enable_gradient_checkpointing()
    saved = SavedOperations(dpa)
    step = count_run(lambda: dpa(*given).mean().backward())
    assert step == count_part("alignment_step", config) - saved.operations


def test_sparse_convolution_of_a_full_grid():
    side = 6
    grid = torch.cartesian_prod(*3 * [torch.arange(side)])
    at = build_voxel_map(torch.zeros(len(grid), dtype=torch.long), grid, side, 1)
    layer = SubmanifoldConv(8, "torch")
    assert count_run(lambda: layer(torch.randn(len(grid), 8), at)) == 2 * 8 * 8 * (3 * side - 2) ** 3


def test_autoencoder(tmp_path):
    write_vae(tmp_path)
    autoencoder = WanAutoencoder(AutoencoderKLWan.from_pretrained(tmp_path / "vae").requires_grad_(False))
    config = tiny_config()
    video, z = torch.rand(config.frames, config.height, config.width, 3), torch.randn(16, *LATENT)
    assert count_run(lambda: autoencoder.encode(video)) == count_part("encode", config)
    assert count_run(lambda: autoencoder.decode(z)) == count_part("decode", config)
    both = count_run(lambda: autoencoder.decode(z.requires_grad_()).mean().backward())
    assert both == count_part("decode", config) + count_part("decode_backward", config)


def assert_all_but_projections(real, expected):
    """The costs leave out the 3 x 3 products that project points: far less than coding one view."""
    assert 0 <= real - expected < LoadedCoder.OPERATIONS / 10


def test_sampling_steps(batch, flops):
    """The last step encodes nothing."""
    config = small()
    mjd, dpa = tiny_models(config)
    saved, track_codec = SavedOperations(dpa), SyncMV4D(config, mjd, dpa).build_track_codec(batch, LoadedCoder())
    z_image, anchors = batch.z_video[:, :, :, :1], batch.normalized_anchors
    given = Conditions(z_image, batch.text, batch.text, anchors, None, (config.frames, LATENT[0]))
    flow = dataclasses.replace(config.flow, steps=2)
    real = count_run(lambda: sample(mjd, dpa, given, track_codec, flow, config.cycle, torch.Generator().manual_seed(0)))
    views = len(z_image[0])
    assert_all_but_projections(real, 2 * count_steps(config, flops).sampling - views * flops.encode - saved.operations)


@pytest.mark.parametrize(
    ("reading", "gradient", "guided"),
    [
        pytest.param("x0", "none", False, marks=pytest.mark.slow),
        ("x0", "none", True),
        pytest.param("algorithm1_literal", "none", True, marks=pytest.mark.slow),
        pytest.param("algorithm1_literal", "depth_scale", True, marks=pytest.mark.slow),
        ("algorithm1_literal", "full", True),
    ],
)
def test_training_step(batch, flops, reading, gradient, guided):
    config = small(reading=reading, gradient=gradient, guidance_share=float(guided))
    model = SyncMV4D(config, *tiny_models(config)).train()
    saved = SavedOperations(model.dpa)
    for network in (model.mjd, model.dpa):
        network.enable_gradient_checkpointing()
    noise = tiny_noise(batch, config, guided=guided)
    real = count_run(lambda: sum(model(batch, noise, Autoencoders(LoadedCoder(), LoadedCoder()))[:5]).backward())
    assert_all_but_projections(real, count_steps(config, flops).training - saved.operations)


def test_mean_step_uses_the_share_of_guidance(flops):
    x0, literal = (
        count_steps(small(reading=reading, guidance_share=share), flops)
        for reading, share in (("x0", 0.25), ("algorithm1_literal", 0.75))
    )
    assert x0.training == x0.joint + round(0.25 * x0.guidance_x0)
    assert literal.training == literal.joint + round(0.75 * literal.guidance_literal)
    assert x0.guidance_x0 == literal.guidance_literal + flops.forward
    without = count_steps(small(guidance=False), flops)
    assert without.training == without.joint == x0.joint
