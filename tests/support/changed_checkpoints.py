"""Changes of checkpoint files, and configurations that do not fit them."""

import json

import torch
from safetensors.torch import load_file, save_file

from reference_model.config import preset, with_mjd

NANO = preset("nano")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def nano_with(**changes):
    """Return nano with other fields of MJD."""
    return with_mjd(NANO, **changes)


def rewrite(path, change):
    """Replace a file's tensors by ``change(tensors)``."""
    save_file(change(load_file(path)), path)


def reconfigure(path, **changes):
    """Replace fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def assert_inherits(model, wan):
    """Assert that MJD has all parameters of Wan's transformer with their values, and that its others are new."""
    ours, wans = dict(model.named_parameters()), dict(wan.named_parameters())
    assert set(ours) - set(wans) == model.new_parameters()
    assert set(wans) <= set(ours)
    for name, parameter in wans.items():
        assert torch.equal(ours[name], parameter), name
