"""The memory that a configuration takes."""

import dataclasses

import pytest
import torch

from reference_model.config import preset
from reference_model.cost.memory import count_memory, dtypes_in_bf16, forward_peak
from reference_model.cost.phantom import of_depth, of_length, phantom_mjd
from reference_model.mjd.model import MultiViewJointDiffusion

NANO = preset("nano")


def test_the_papers_models_memory(wan):
    memory, count = wan["memory"], wan["parameters"]["total"]
    assert memory["basis"] == "computed, not measured"
    assert 2 * count < memory["weights_bf16"] < 2.02 * count
    assert memory["vae"] == 4 * wan["parameters"]["vae"]
    assert memory["training_state"] == 16 * count // 8
    assert memory["block_boundaries"] == 30 * 3 * 8588 * 3072 * 2
    assert memory["latents"] == 2 * 3 * 48 * 13 * 30 * 44 * 4
    hidden = 3 * 8588 * 14336 * 2  # the MLP's, before and after its GELU at once
    assert 2 * hidden < memory["forward_peak"] < 3 * hidden


@pytest.fixture(scope="module")
def peak():
    return forward_peak(of_depth(NANO, 1))


def test_every_block_peaks_alike(peak):
    assert forward_peak(of_depth(NANO, 2)) == peak


def test_attention_never_writes_its_matrix(peak):
    """Of nearly twice the tokens, as much memory, not four times."""
    assert 1.7 < forward_peak(of_length(of_depth(NANO, 1), 13)) / peak < 2.0


def test_half_precision_is_what_the_library_makes_of_it(tmp_path):
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    model.save_pretrained(tmp_path)
    loaded = MultiViewJointDiffusion.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert dtypes_in_bf16(phantom_mjd(NANO)) == {name: each.dtype for name, each in loaded.named_parameters()}


def test_nothing_is_trained_on_no_gpu():
    with pytest.raises(ValueError, match="gpus is 0: expected 1 or more"):
        count_memory(NANO, 0)
