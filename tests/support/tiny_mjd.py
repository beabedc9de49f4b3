"""Small multi-view joint diffusion models and inputs for tests."""

import dataclasses

import torch
from diffusers import WanTransformer3DModel
from tiny_wan import transformer_config

from reference_model.config import preset
from reference_model.mjd.initialization import init_new_parameters
from reference_model.mjd.model import MultiViewJointDiffusion

NANO = preset("nano").mjd
GRID = (3, 4, 6)
"""Latents (n, h, w) of 9 frames of 64 x 96 pixels: 18 tokens a modality and view."""


def tiny_mjd(**changes):
    torch.manual_seed(0)
    return MultiViewJointDiffusion(dataclasses.replace(NANO, **changes)).eval()


def trained(model):
    """The model with no parameter left at zero or at a copy, as after training."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in model.new_parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.1)
    return model


def random_wan():
    """Wan's own transformer of the same sizes, with random weights."""
    torch.manual_seed(2)
    return WanTransformer3DModel(**transformer_config()).eval()


def from_wan(wan, **changes):
    model = tiny_mjd(**changes)
    missing, unexpected = model.load_state_dict(wan.state_dict(), strict=False)
    assert set(missing) == model.new_parameters() and not unexpected
    init_new_parameters(model)
    return model


def inputs(batch=2, views=3, seed=3):
    """Latents of video, motion and image, text and t."""
    g = torch.Generator().manual_seed(seed)
    z_video, z_motion = torch.randn(2, batch, views, NANO.in_channels, *GRID, generator=g)
    z_image = torch.randn(batch, views, NANO.in_channels, 1, *GRID[1:], generator=g)
    text = torch.randn(batch, 16, NANO.text_dim, generator=g)
    return z_video, z_motion, z_image, text, torch.rand(batch, generator=g)
