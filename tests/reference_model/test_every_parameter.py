"""Every parameter of both models gets a gradient in every kind of iteration: one without would stop distributed training."""

import dataclasses

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny_loop import FoldingCoder, tiny_batch, tiny_config, tiny_models, tiny_noise
from tiny_wan import write_vae

from reference_model.config import CycleConfig
from reference_model.cycle.track_codec import Autoencoders
from reference_model.loading.autoencoder import WanAutoencoder
from reference_model.model import SyncMV4D

EXACT = FoldingCoder()
BATCH = tiny_batch(EXACT, batch=1)


def losses_of(objective="joint", batch=BATCH, autoencoder=EXACT, *, guided=False, mjd=None, dpa=None, **cycle):
    config = tiny_config(batch.z_video.shape[2], cycle=CycleConfig(**cycle))
    changed = {"mjd": dataclasses.replace(config.mjd, **mjd or {}), "dpa": dataclasses.replace(config.dpa, **dpa or {})}
    config = dataclasses.replace(config, **changed)
    model = SyncMV4D(config, *tiny_models(config)).train()
    return model, model(
        batch, tiny_noise(batch, config, guided=guided), Autoencoders(autoencoder, autoencoder), objective
    )


def still(model, losses):
    """Parameters without a gradient, and those whose gradient is zero."""
    sum(losses[:5]).backward()
    parameters = dict(model.named_parameters())
    without = {name for name, each in parameters.items() if each.grad is None}
    assert all(each.grad.isfinite().all() for name, each in parameters.items() if name not in without)
    return without, {name for name in parameters.keys() - without if not parameters[name].grad.any()}


KINDS = {
    "warmup": ("warmup", {}),
    "joint, not guided": ("joint", {}),
    "joint, guided": ("joint", {"guided": True}),
    "joint, guided, literal": ("joint", {"guided": True, "reading": "algorithm1_literal"}),
    "joint, guided, gradients of the range": ("joint", {"guided": True, "gradient": "depth_scale"}),
    "joint, guided, gradients through the decoder": ("joint", {"guided": True, "gradient": "full"}),
    "joint, of all options": (
        "joint",
        {"guided": True, "mjd": {"scale_tokens_see_K": True}, "dpa": {"temporal": True}},
    ),
}


@pytest.mark.parametrize(
    ("kind", "precision"), [*((kind, torch.float32) for kind in KINDS), ("joint, guided", torch.bfloat16)]
)
def test_every_parameter_gets_a_gradient(kind, precision):
    objective, options = KINDS[kind]
    with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
        model, losses = losses_of(objective, **options)
    without, zero = still(model, losses)
    assert not without
    assert zero == (
        set() if options.get("guided") else {"mjd.guidance_embedding.weight"}
    )  # which no guidance multiplies
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses)


def test_a_batch_without_any_point_still_passes_gradients_to_all():
    model, losses = losses_of(batch=BATCH._replace(point_mask=torch.zeros_like(BATCH.point_mask)), guided=True)
    assert not still(model, losses)[0]
    assert losses.points == 0 and losses.chamfer == 0


def test_through_an_autoencoder_too(tmp_path):
    """An untrained one: its colours are meaningless, so the coarse set is empty and only the null token takes its place."""
    write_vae(tmp_path)
    autoencoder = WanAutoencoder(AutoencoderKLWan.from_pretrained(tmp_path / "vae").eval().requires_grad_(False))
    model, losses = losses_of(
        batch=tiny_batch(autoencoder, batch=1), autoencoder=autoencoder, guided=True, gradient="full"
    )
    without, zero = still(model, losses)
    assert not without and zero <= {"dpa.coarse_embedding.weight", "dpa.coarse_embedding.bias"}
