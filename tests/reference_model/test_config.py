"""A configuration checks itself: numbers that would fail hours later, or silently mean something else, are refused at once."""

import dataclasses

import pytest

from reference_model.config import (
    PRESETS,
    CycleConfig,
    DPAConfig,
    FlowConfig,
    MJDConfig,
    PseudoVideoConfig,
    SyncMV4DConfig,
    VAEConfig,
)
from reference_model.training.config import LossWeights


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (MJDConfig, {"num_layers": 0}, "num_layers is 0: expected 1 or more"),
        (MJDConfig, {"scale_tokens": 1}, "scale_tokens is 1: expected 2"),
        (MJDConfig, {"attention_head_dim": 3}, "attention_head_dim is 3: expected an even number"),
        (MJDConfig, {"patch_size": (0, 2, 2)}, r"patch_size is \(0, 2, 2\): expected 1 or more"),
        (VAEConfig, {"stride": (0, 16, 16)}, r"stride is \(0, 16, 16\): expected 1 or more"),
        (VAEConfig, {"dim_mult": ()}, r"dim_mult is \(\): expected 1 or more"),
        (SyncMV4DConfig, {"dpa": DPAConfig(views=5)}, "mjd.views is 3, dpa.views 5: expected the same V"),
        (DPAConfig, {"voxel": 1e-5}, "voxel is 1e-05: expected fewer than 65536 of them within a reach of 4.0"),
        (DPAConfig, {"window": 0}, "window is 0: expected 1 or more"),
        (DPAConfig, {"width": 20, "heads": 3}, "width is 20: expected a multiple of heads, 3"),
        (DPAConfig, {"orders": ()}, "orders is empty"),
        (DPAConfig, {"voxel": 0.0}, "voxel is 0.0: expected a positive number"),
        (PseudoVideoConfig, {"radius": -1}, "radius is -1: expected 0 or more"),
        (PseudoVideoConfig, {"darkest": 1.0}, r"darkest is 1.0: expected within \[0, 1\)"),
        (FlowConfig, {"steps": 0}, "steps is 0: expected 1 or more"),
        (FlowConfig, {"shift": float("inf")}, "shift is inf: expected a positive number"),
        (CycleConfig, {"text_dropout": 3.0}, r"text_dropout is 3.0: expected within \[0, 1\]"),
        (CycleConfig, {"word_dropout": -0.1}, r"word_dropout is -0.1: expected within \[0, 1\]"),
        (SyncMV4DConfig, {"cycle": CycleConfig(word_dropout=0.1)}, "word_dropout is 0.1: expected 0 with Wan's"),
        (SyncMV4DConfig, {"parts": "fitted"}, "parts is 'fitted', vae.kind 'wan': expected 'fitted' and 'linear'"),
        (CycleConfig, {"loop_every": 0}, "loop_every is 0: expected 1 or more"),
        (CycleConfig, {"unit": float("nan")}, "unit is nan: expected a positive number"),
        (LossWeights, {"motion": -1.0}, "motion is -1.0: expected 0 or more"),
    ],
)
def test_a_number_out_of_its_range_is_named(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        kind(**changes)


def test_none_is_in_every_range():
    assert DPAConfig(window=None).window is None


@pytest.mark.parametrize("name", PRESETS)
def test_a_change_of_a_preset_is_checked_as_well(name):
    with pytest.raises(ValueError, match="guidance_share is 2"):
        dataclasses.replace(PRESETS[name].cycle, guidance_share=2)
