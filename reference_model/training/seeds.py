"""Random numbers that depend on nothing but what they are for, so that resuming needs no state of a generator."""

from __future__ import annotations

import hashlib

import torch


def generator(*key: int | str) -> torch.Generator:
    """A generator on the CPU for one purpose, say ``generator(seed, "noise", iteration, rank, world)``."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
