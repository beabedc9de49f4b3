"""Sizes of the rows' models as hoibench stores them, in float16, computed from their configurations, and the limits of these sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from reference_model.config import SyncMV4DConfig
from reference_model.loading.folder import WAN_PARTS
from reference_model.model import SyncMV4D

MAX_BYTES_WITHOUT_ALIGNER = 5_000_000
MAX_BYTES_WITH_ALIGNER = 9_000_000
MAX_BYTES_IN_ALL = 45_000_000
"""Largest sizes of a model's folder without a points aligner, of one with it, and of all folders together, with that of the common start."""

_HEADER_BYTES = 160
"""Bytes that a file of weights has for each tensor besides its values, at most: name, dtype, shape and offsets."""
_METADATA_BYTES = 6_000
"""Bytes of configurations and checksums in a folder, at most."""


def stored_bytes(config: SyncMV4DConfig, parts: Path) -> int:
    """Return the bytes that the folder of a model has at most if its weights are float16, without allocating weights.

    Args:
        config: configuration of the model.
        parts: folder of the autoencoder, text encoder and tokenizer, which are copied to the model's folder.
    """
    with torch.device("meta"):
        model = SyncMV4D(config)
    tensors = model.state_dict().values()
    files = [path for name in WAN_PARTS for path in (parts / name).rglob("*") if path.is_file()]
    return (
        sum(torch.float16.itemsize * tensor.numel() + _HEADER_BYTES for tensor in tensors)
        + sum(path.stat().st_size for path in files)
        + _METADATA_BYTES
    )


def check_sizes(configs: Mapping[str, SyncMV4DConfig], parts: Path) -> None:
    """Check that models may be part of hoibench: the size of each and of all together.

    Args:
        configs: configuration of each model, by name of the row or of the common start.
        parts: folder of the parts that each model's folder gets a copy of.

    Raises:
        ValueError: a model, or all together, may have more bytes than the limit.
    """
    fix = (
        "make the networks smaller (SIZES in reference_model/ablations/rows.py) and train the start and all rows again"
    )
    sizes = {name: stored_bytes(config, parts) for name, config in configs.items()}
    for name, config in configs.items():
        limit = MAX_BYTES_WITH_ALIGNER if config.aligner else MAX_BYTES_WITHOUT_ALIGNER
        if sizes[name] > limit:
            raise ValueError(f"{name} has up to {sizes[name]} bytes in float16, expected at most {limit}: {fix}")
    if (total := sum(sizes.values())) > MAX_BYTES_IN_ALL:
        raise ValueError(
            f"{', '.join(sizes)} have up to {total} bytes in float16, expected at most {MAX_BYTES_IN_ALL}: {fix}"
        )
