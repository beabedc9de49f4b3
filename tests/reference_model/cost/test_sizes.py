"""Parameters, tokens and memory of a configuration."""

import pytest
import torch
from diffusers import WanTransformer3DModel

from reference_model.config import preset, with_mjd
from reference_model.cost.meta_model import build_mjd, with_latent_frames
from reference_model.cost.sizes import count_parameters, count_tokens, forward_peak
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.loading.transformer import load_mjd
from reference_model.loading.weights import parameter_dtypes
from reference_model.mjd.model import MultiViewJointDiffusion

WAN, NANO = preset("wan22_5b"), preset("nano")


# Parameters


def test_wan22_5b_has_6_19_billion_parameters(wan):
    parameters = wan["parameters"]
    assert parameters["total"] == 6_192_356_737
    assert parameters["wan"] == 4_999_787_712
    assert parameters["vae"] == 704_688_668
    assert parameters["dpa"] == 27_463_939
    d, layers = 3072, 30
    assert parameters["new"] == {
        "attn_view": layers * (4 * (d * d + d) + 2 * d),
        "time_proj_motion": 6 * d * (d + 1),
        "patch_embedding_motion": d * 48 * 4 + d,
        "proj_out_motion": (d + 1) * 48 * 4,
        "guidance_embedding": d * 48 * 4,
        "scale_shift_table_motion": layers * 6 * d + 2 * d,
        "scale_shift_table_view": layers * 3 * d,
        "scale_shift_table_view_motion": layers * 3 * d,
        "register_embedding": 6 * d,
        "scale_embedding": 2 * d,
        "scale_head": d + 1,
    }
    assert parameters["total"] == parameters["wan"] + sum(parameters["new"].values())
    assert wan["memory"]["weights_fp32"] == 4 * parameters["total"]


def test_counted_parameters_equal_allocated_ones():
    counted = count_parameters(NANO)
    model = MultiViewJointDiffusion(NANO.mjd)
    assert counted.total == sum(each.numel() for each in model.parameters())
    aligner = DiffusionPointsAligner(NANO.dpa)
    assert counted.dpa == sum(each.numel() for each in aligner.parameters())
    new = model.new_parameters()
    assert sum(counted.new.values()) == sum(each.numel() for name, each in model.named_parameters() if name in new)
    names = "num_attention_heads attention_head_dim in_channels text_dim freq_dim ffn_dim num_layers eps patch_size"
    wan = WanTransformer3DModel(
        out_channels=NANO.mjd.in_channels, **{name: getattr(NANO.mjd, name) for name in names.split()}
    )
    assert counted.wan == sum(each.numel() for each in wan.parameters())


# Tokens


def test_wan22_5b_has_9100_tokens_per_view(wan):
    assert wan["latents"] == [13, 30, 44]
    assert wan["tokens"] == {
        "total": 9100, "video": 4290, "motion": 4290, "scale": 2, "register": 6, "text": 512,
        "intra_view": 8588, "inter_view": [13, 1980], "specials_meet": 24,
    }  # fmt: skip


def test_tokens_with_separate_modalities_and_special_tokens():
    tokens = count_tokens(with_mjd(WAN, inter_view="separate", special_tokens_meet=False, views=2))
    assert tokens.inter_view == (26, 2 * 330)
    assert tokens.specials_meet == 0
    assert tokens.total == 9100


# Memory


def test_memory_of_wan22_5b(wan):
    memory, count = wan["memory"], wan["parameters"]["total"]
    assert memory["basis"] == "computed, not measured"
    time_projections = 2 * 6 * 3072 * 3073  # float32, as are some small parameters
    assert 2 * count + 2 * time_projections < memory["weights_bf16"] < 2.005 * count + 2 * time_projections
    assert memory["vae"] == 4 * wan["parameters"]["vae"]
    assert memory["training_state"] == 16 * count // 8
    assert memory["block_boundaries"] == 30 * 3 * 8588 * 3072 * 2
    assert memory["latents"] == 2 * 3 * 48 * 13 * 30 * 44 * 4
    hidden = 3 * 8588 * 14336 * 2  # the MLP's activations, before and after GELU
    assert 2 * hidden < memory["forward_peak"] < 3 * hidden


@pytest.fixture(scope="module")
def peak():
    return forward_peak(with_mjd(NANO, num_layers=1))


def test_peak_is_independent_of_depth(peak):
    assert forward_peak(with_mjd(NANO, num_layers=2)) == peak


def test_peak_is_linear_in_tokens(peak):
    """Nearly twice the tokens need nearly twice the memory, not four times."""
    assert 1.7 < forward_peak(with_latent_frames(with_mjd(NANO, num_layers=1), 13)) / peak < 2.0


def test_half_precision_matches_diffusers(tmp_path):
    model = MultiViewJointDiffusion(NANO.mjd)
    model.save_pretrained(tmp_path)
    loaded = load_mjd(tmp_path, NANO, dtype=torch.bfloat16)
    assert parameter_dtypes(build_mjd(NANO), torch.bfloat16, MultiViewJointDiffusion._keep_in_fp32_modules) == {
        name: each.dtype for name, each in loaded.named_parameters()
    }
