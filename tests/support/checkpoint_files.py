"""Checkpoint files with the names and shapes of real ones in a few kilobytes: every tensor has one stored zero."""

import torch

DAMAGES = ("removed", "renamed", "added", "reshaped")


def write_zeros(path, shapes, damage=None, name=None):
    """Write a state dict of zeros by name and shape; ``damage`` changes the tensor ``name``."""
    state = {key: torch.zeros(1).expand(shape) if shape else torch.zeros(()) for key, shape in shapes.items()}
    if damage in ("removed", "renamed"):
        tensor = state.pop(name)
    if damage == "renamed":
        state[f"{name}_"] = tensor
    if damage == "added":
        state[f"{name}_"] = torch.zeros(1)
    if damage == "reshaped":
        state[name] = torch.zeros(1).expand(3, *shapes[name])
    torch.save(state, path)
    return path
