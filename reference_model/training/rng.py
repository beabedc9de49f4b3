"""Random generators seeded by a key, such as seed and iteration, so that resuming a training needs no generator state."""

from __future__ import annotations

import hashlib

import torch


def seeded_generator(*key: int | str) -> torch.Generator:
    """Return a new CPU generator seeded by the SHA-256 of a key, for example ``seeded_generator(seed, "noise", iteration, rank, size)``."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
