"""Synthetic clips that tests share; fixtures: ``demo_root``, ``reach_root``, ``train_root``.

Tests load no other clips from these: they would be written there."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_cache import DATA_CODE, cached_folder


@pytest.fixture(scope="session")
def demo_root() -> Path:
    """A root of the data set ``synthetic`` with the clips of the split ``demo``; may be used as a cache."""
    return _generated("demo", None)


@pytest.fixture(scope="session")
def reach_root() -> Path:
    """A root with the clips of the split ``synthetic-reach@1/demo``."""
    return _generated("synthetic-reach@1/demo", None)


@pytest.fixture(scope="session")
def train_root() -> Path:
    """A root with the clip that ``--limit 1`` selects from the split ``train``."""
    return _generated("train", 1)


def _generated(split: str, limit: int | None) -> Path:
    def build(folder: Path) -> None:
        from hoibench.datasets.base import sample_clips
        from hoibench.datasets.synthetic.dataset import SyntheticDataset

        dataset = SyntheticDataset.open(folder)
        for entry in sample_clips(dataset.manifest(split).entries, limit):
            dataset.generate(entry)

    return cached_folder(
        "synthetic", f"{split}, limit {limit}", build, (*DATA_CODE, "tests/support/synthetic_clips.py")
    )
