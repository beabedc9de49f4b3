"""Checkpoints whose files are changed, and configurations that they do not fit."""

import json

import torch
from safetensors.torch import load_file, save_file

from reference_model.config import preset, with_mjd

NANO = preset("nano")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def nano_with(**changes):
    """Nano with other fields of MJD."""
    return with_mjd(NANO, **changes)


def rewrite(path, change):
    """Store what ``change`` makes of a file's tensors."""
    save_file(change(load_file(path)), path)


def reconfigure(path, **changes):
    """Store other fields in a file of JSON."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def assert_inherits(model, wan):
    """Every parameter of Wan's transformer is MJD's, and MJD's others are new."""
    ours, wans = dict(model.named_parameters()), dict(wan.named_parameters())
    assert set(ours) - set(wans) == model.new_parameters()
    assert set(wans) <= set(ours)
    for name, parameter in wans.items():
        assert torch.equal(ours[name], parameter), name
