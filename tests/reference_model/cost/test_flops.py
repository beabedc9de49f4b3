"""Operations of the parts: extrapolated, fully counted, and in closed form."""

import dataclasses

import pytest

from reference_model.config import LITERAL, PRESETS, SyncMV4DConfig, preset, with_mjd
from reference_model.cost.flops import PARTS, count_flops, count_part, extrapolate_part
from reference_model.cost.meta_model import build_vae, empty_latents, empty_video, run_decoder, run_encoder
from reference_model.cost.sizes import count_tokens

WAN, NANO = preset("wan22_5b"), preset("nano")


def closed_form(config: SyncMV4DConfig) -> int:
    """Return the operations of a forward of one sample: 2 a b c for each product of (a, b) and (b, c)."""
    mjd, tokens = config.mjd, count_tokens(config)
    V, L, d, S, special = mjd.views, config.text_tokens, mjd.width, tokens.intra_view, tokens.scale + tokens.register
    groups, together = tokens.inter_view
    T = V * S
    inter_view = groups * together + tokens.specials_meet
    linears = (
        2 * T * 4 * d * d  # attn1: q, k, v, out
        + 2 * inter_view * 4 * d * d  # attn_view
        + 2 * T * 2 * d * d  # attn2: q, out
        + 2 * L * 2 * d * d  # attn2: k, v, which the views share
        + 2 * T * 2 * d * mjd.ffn_dim
    )
    attention = 4 * d * (V * S * S + groups * together**2 + tokens.specials_meet**2 + T * L)
    patch, grid_tokens = mjd.in_channels * 4, V * (S - special)
    guidance = grid_tokens // 2  # motion tokens only
    embeddings = 2 * (grid_tokens + guidance) * patch * d + 2 * L * (mjd.text_dim * d + d * d)
    time = 2 * 2 * (mjd.freq_dim * d + d * d + d * 6 * d) + 2 * d * 6 * d
    heads = 2 * grid_tokens * d * patch + 2 * V * mjd.scale_tokens * d
    return mjd.num_layers * (linears + attention) + embeddings + time + heads


def test_mjd_of_the_paper_matches_the_closed_form(wan):
    flops = wan["flops"]
    assert flops["basis"] == "counted, not measured"
    assert flops["forward"] == closed_form(WAN)
    # 389.1 TFLOP if each view computed its own keys and values of the text.
    mjd = WAN.mjd
    apart = (mjd.views - 1) * 2 * WAN.text_tokens * 2 * mjd.width**2 * mjd.num_layers
    assert round((flops["forward"] + apart) / 1e12, 1) == 389.1
    # Forward, recomputation, and a backward of twice a forward; only the blocks are recomputed.
    outside = 2 * closed_form(with_mjd(WAN, num_layers=1)) - closed_form(with_mjd(WAN, num_layers=2))
    assert 4 * flops["forward"] - 2 * outside < flops["training_step"] < 4 * flops["forward"]


def test_autoencoder_of_the_paper_matches_earlier_counts(wan):
    assert round(wan["flops"]["encode"] / 1e12, 1) == 58.2
    assert round(wan["flops"]["decode"] / 1e12, 1) == 306.1


def test_dpa_of_the_paper_matches_the_closed_form(wan):
    """Each frame has 4800 points in 5 windows of 1024."""
    c, frames, points = WAN.dpa.width, 49, 49 * 3 * 1600
    places, coarse = frames * 5 * 1024, frames * 5 * 1025
    convolution = 2 * 27 * points * c * c
    block = (
        convolution
        + 2 * points * c * c
        + 2 * 4 * places * c * c + 4 * places * 1024 * c  # inter-view attention
        + 2 * 2 * (places + coarse) * c * c + 4 * places * 1025 * c  # attention to the coarse points and the null token
        + 2 * points * 2 * c * 4 * c
        + 2 * frames * c * 8 * c  # modulation
    )  # fmt: skip
    embeddings = 2 * points * 3 * c * 2 + 2 * 3 * 1600 * 32 * c + 2 * frames * 16 * c + 2 * (256 * c + c * c)
    assert wan["flops"]["sparse_convolution"] == 8 * convolution
    assert wan["flops"]["align"] == 8 * block + embeddings + 2 * points * c * 3


def test_steps_are_sums_of_parts(wan):
    flops, steps = wan["flops"], wan["steps"]
    loop = 3 * flops["decode"] + flops["align"] + 3 * flops["encode"]
    assert steps["basis"] == "counted, not measured"
    assert steps["two_forwards"] == 2 * flops["forward"]
    assert (steps["encode_motion"], steps["decode_motion"]) == (3 * flops["encode"], 3 * flops["decode"])
    assert steps["decode_output"] == 6 * flops["decode"]
    assert steps["sampling"] == 2 * flops["forward"] + loop
    assert steps["joint"] == flops["training_step"] + 3 * flops["decode"] + flops["alignment_step"]
    assert steps["guidance_literal"] == loop
    assert steps["guidance_x0"] == flops["forward"] + loop
    assert steps["training"] == steps["joint"] + steps["guidance_x0"] // 2


def test_seconds_are_operations_at_the_assumed_rate(wan):
    assert wan["seconds"]["basis"] == "counted, not measured, at an assumed 790 TFLOP/s"
    assert wan["seconds"]["forward"] == pytest.approx(wan["flops"]["forward"] / 790e12)
    assert wan["seconds"]["training_step"] == pytest.approx(wan["flops"]["training_step"] / 790e12)
    operations = {what: count for part in ("flops", "steps") for what, count in wan[part].items() if what != "basis"}
    seconds = {what: count for what, count in wan["seconds"].items() if what not in ("basis", "note")}
    assert seconds == pytest.approx({what: count / 790e12 for what, count in operations.items()})


@pytest.mark.parametrize(
    "changes", [{"views": 2, "num_layers": 5}, {"inter_view": "separate", "special_tokens_meet": False}], ids=str
)
def test_small_mjd_matches_the_closed_form(changes):
    config = with_mjd(NANO, **changes)
    assert extrapolate_part("forward", config) == closed_form(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRESETS if not name.endswith(LITERAL)])
def test_extrapolation_equals_the_full_count(name):
    """The literal twin of a preset differs from it in DPA and in initial weights."""
    config, literal = preset(name), preset(f"{name}{LITERAL}")
    counted = {part: count_part(part, config) for part in PARTS}
    flops, literal_flops = (dataclasses.asdict(count_flops(each)) for each in (config, literal))
    assert {part: flops[part] for part in PARTS} == counted
    begun_alike = dataclasses.replace(literal.mjd, guidance_init=config.mjd.guidance_init)
    assert (begun_alike, literal.vae) == (config.mjd, config.vae)
    counted |= {part: count_part(part, literal) for part in ("align", "alignment_step")}
    assert {part: literal_flops[part] for part in PARTS} == counted


@pytest.mark.parametrize("part", ["encode", "decode", "decode_backward"])
def test_extrapolation_over_frames_equals_the_full_count(part):
    config = dataclasses.replace(NANO, frames=9, height=32, width=32)
    assert extrapolate_part(part, config) == count_part(part, config)


@pytest.mark.parametrize("name", PRESETS)
def test_the_autoencoder_gives_the_presets_latents(name):
    config = dataclasses.replace(preset(name), frames=5, height=64, width=96)
    vae = build_vae(config)
    z = run_encoder(vae, config)
    if config.vae.kind == "wan":
        assert z.latent_dist.mode().shape == empty_latents(config)[:, 0].shape
        assert run_decoder(vae, z.latent_dist.mode()).shape == empty_video(config).shape
    else:
        assert z.shape == empty_latents(config)[0, 0].shape
        assert run_decoder(vae, z[None]).movedim(-1, 0).shape == empty_video(config)[0].shape
