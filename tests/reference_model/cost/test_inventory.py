"""How many parameters and tokens a configuration has."""

import dataclasses

from diffusers import WanTransformer3DModel

from reference_model.config import preset, with_mjd
from reference_model.cost.inventory import count_tokens
from reference_model.cost.parameters import count_parameters
from reference_model.dpa.model import DiffusionPointsAligner
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
