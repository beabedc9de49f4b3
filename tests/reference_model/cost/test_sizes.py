"""Parameters, tokens and memory of a configuration."""

import dataclasses

import pytest
import torch
from diffusers import WanTransformer3DModel

from reference_model.config import preset, with_mjd
from reference_model.cost.meta_model import build_mjd, with_latent_frames
from reference_model.cost.sizes import count_parameters, count_tokens, forward_peak
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.loading.folder import parameter_dtypes
from reference_model.mjd.model import MultiViewJointDiffusion

WAN, NANO = preset("wan22_5b"), preset("nano")


# Parameters


def test_the_papers_model_has_6_19_billion_parameters(wan):
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


def test_the_small_model_is_counted_as_it_is_allocated():
    counted = count_parameters(NANO)
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    assert counted.total == sum(each.numel() for each in model.parameters())
    aligner = DiffusionPointsAligner(**dataclasses.asdict(NANO.dpa))
    assert counted.dpa == sum(each.numel() for each in aligner.parameters())
    new = model.new_parameters()
    assert sum(counted.new.values()) == sum(each.numel() for name, each in model.named_parameters() if name in new)
    names = "num_attention_heads attention_head_dim in_channels text_dim freq_dim ffn_dim num_layers eps patch_size"
    wan = WanTransformer3DModel(
        out_channels=NANO.mjd.in_channels, **{name: getattr(NANO.mjd, name) for name in names.split()}
    )
    assert counted.wan == sum(each.numel() for each in wan.parameters())


# Tokens


def test_the_papers_model_has_9100_tokens_a_view(wan):
    assert wan["latents"] == [13, 30, 44]
    assert wan["tokens"] == {
        "total": 9100, "video": 4290, "motion": 4290, "scale": 2, "register": 6, "text": 512,
        "intra_view": 8588, "inter_view": [13, 1980], "specials_meet": 24,
    }  # fmt: skip


def test_tokens_where_modalities_and_special_tokens_keep_apart():
    tokens = count_tokens(with_mjd(WAN, inter_view="separate", special_tokens_meet=False, views=2))
    assert tokens.inter_view == (26, 2 * 330)
    assert tokens.specials_meet == 0
    assert tokens.total == 9100


# Memory


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
    return forward_peak(with_mjd(NANO, num_layers=1))


def test_every_block_peaks_alike(peak):
    assert forward_peak(with_mjd(NANO, num_layers=2)) == peak


def test_attention_never_writes_its_matrix(peak):
    """Of nearly twice the tokens, as much memory, not four times."""
    assert 1.7 < forward_peak(with_latent_frames(with_mjd(NANO, num_layers=1), 13)) / peak < 2.0


def test_half_precision_is_what_the_library_makes_of_it(tmp_path):
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    model.save_pretrained(tmp_path)
    loaded = MultiViewJointDiffusion.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert parameter_dtypes(build_mjd(NANO), torch.bfloat16, MultiViewJointDiffusion._keep_in_fp32_modules) == {
        name: each.dtype for name, each in loaded.named_parameters()
    }
