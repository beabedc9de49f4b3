"""Identities (a) to (e) of multi-view joint diffusion, for any weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_mjd import GRID, NANO, from_wan, inputs, random_wan, tiny_mjd, trained

from reference_model.config import preset
from reference_model.mjd.block import inter_view_attention, wan_attention
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.mjd.tokens import TokenLayout, fold, rotary_tables, unfold

TOKENS = 18
FRAME = 6


def per_view(z):
    return z.flatten(0, 1)


def wan_inputs(z_video, z_image, text, t):
    """The inputs of Wan's own TI2V: a batch of views, and a time per token, 0 in frame 0."""
    latents = torch.cat([z_image, z_video[:, :, :, 1:]], dim=3)
    views = z_video.shape[1]
    time = (1000.0 * t).repeat_interleave(views)[:, None].repeat(1, TOKENS)
    time[:, :FRAME] = 0.0
    return per_view(latents), time, text.repeat_interleave(views, dim=0)


@torch.no_grad()
def test_views_of_video_without_motion_equal_wan_view_by_view():
    wan = random_wan()
    model = from_wan(wan)
    z_video, _, z_image, text, t = inputs()
    ours = model(z_video, None, z_image, text, t)
    latents, time, texts = wan_inputs(z_video, z_image, text, t)
    theirs = wan(latents, time, texts, return_dict=False)[0]
    assert ours.motion is None and ours.s is None
    assert (per_view(ours.video) - theirs).abs().max() < 1e-6 * theirs.abs().max()


@torch.no_grad()
def test_a_bit_for_bit_with_the_same_time_rows(monkeypatch):
    wan = random_wan()
    model = from_wan(wan)
    z_video, _, z_image, text, t = inputs()
    latents, time, texts = wan_inputs(z_video, z_image, text, t)
    embed = wan.condition_embedder.forward

    def gathered(timestep, text, image, timestep_seq_len):
        """Wan's embedding of 0 and t, once each, gathered to the tokens."""
        rows, projected, text, image = embed(torch.cat([t.new_zeros(1), t]) * 1000.0, text, image)
        sample = torch.arange(len(t)).repeat_interleave(3)[:, None].repeat(1, TOKENS)
        index = torch.where(time == 0.0, 0, sample + 1)
        return rows[index], projected[index], text, image

    monkeypatch.setattr(wan.condition_embedder, "forward", gathered)
    theirs = wan(latents, time, texts, return_dict=False)[0]
    assert torch.equal(per_view(model(z_video, None, z_image, text, t).video), theirs)


@torch.no_grad()
def test_b_motion_alone_is_wan_on_that_latent():
    wan = random_wan()
    model = from_wan(wan, scale_tokens=0, register_tokens=0)
    _, z_motion, _, text, t = inputs()
    ours = model(None, z_motion, None, text, t)
    theirs = wan(
        per_view(z_motion), (1000.0 * t).repeat_interleave(3), text.repeat_interleave(3, dim=0), return_dict=False
    )[0]
    assert (per_view(ours.motion) - theirs).abs().max() < 1e-6 * theirs.abs().max()


@torch.no_grad()
def test_two_equal_modalities_are_wan_twice():
    """Twice the same tokens in one softmax change nothing: all that moves Wan's video at the start is motion's difference from it."""
    wan = random_wan()
    model = from_wan(wan, scale_tokens=0, register_tokens=0)
    z, other, _, text, t = inputs()
    alone = model(z, None, None, text, t).video
    both = model(z, z, None, text, t)
    assert (both.video - alone).abs().max() < 2e-6 * alone.abs().max()
    assert (both.motion - alone).abs().max() < 2e-6 * alone.abs().max()
    assert (model(z, other, None, text, t).video - alone).abs().max() > 1e-3 * alone.abs().max()


layouts = st.builds(
    TokenLayout,
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    has_video=st.just(True),
    has_motion=st.booleans(),
    special_tokens=st.integers(0, 4),
    has_image=st.booleans(),
    inter_view=st.sampled_from(["joint", "separate"]),
)


@given(layouts, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_c_fold_and_unfold_are_inverse_permutations(layout, batch, views):
    count = batch * views * layout.length
    x = torch.arange(count).reshape(batch, views, layout.length, 1)
    placed, special = fold(x, layout)
    assert torch.equal(torch.cat([placed.flatten(), special.flatten()]).sort().values, torch.arange(count))
    assert torch.equal(unfold(placed, special, layout, views), x)


@given(layouts, st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_c_a_folded_group_is_one_frame_of_one_clip(layout, views):
    """Each token is its (batch, modality, frame): a group must agree in batch and frame, and in modality where they are apart."""
    f, p, m = layout.grid[0], layout.tokens_per_frame, layout.modalities
    label = (
        torch.arange(2)[:, None, None, None, None] * 100
        + torch.arange(m)[:, None, None] * 10
        + torch.arange(f)[:, None]
    )
    x = label.expand(2, views, m, f, p).reshape(2, views, -1, 1)
    x = torch.cat([x, x.new_zeros(2, views, layout.special_tokens, 1)], dim=2)
    placed, _ = fold(x, layout)
    if layout.inter_view == "joint":
        placed = placed - placed // 10 % 10 * 10
    assert (placed == placed[:, :1]).all()


@torch.no_grad()
def test_c_one_view_folded_is_ordinary_attention_frame_by_frame():
    torch.manual_seed(0)
    attention = wan_attention(NANO.width, NANO.num_attention_heads, NANO.eps)
    layout = TokenLayout((*GRID[:1], 2, 3), has_video=True, has_motion=False, special_tokens=0, has_image=True)
    x = torch.randn(2, 1, layout.length, NANO.width)
    frame, _ = rotary_tables(layout, torch.arange(1), NANO.attention_head_dim)
    folded = inter_view_attention(attention, x, layout, frame, special_tokens_meet=True)
    plain = [attention(x[:, 0, 6 * i : 6 * i + 6], None, None, frame) for i in range(3)]
    assert torch.allclose(folded[:, 0], torch.cat(plain, dim=1), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("inter_view", ["joint", "separate"])
def test_d_permuting_views_permutes_outputs(inter_view):
    model = trained(tiny_mjd(view_rope=False, inter_view=inter_view))
    z_video, z_motion, z_image, text, t = inputs()
    order = [2, 0, 1]
    straight = model(z_video, z_motion, z_image, text, t)
    permuted = model(z_video[:, order], z_motion[:, order], z_image[:, order], text, t)
    for one, other in zip(straight, permuted, strict=True):
        assert torch.allclose(one[:, order], other, atol=1e-5)


@torch.no_grad()
def test_d_with_view_rope_the_order_of_views_matters():
    model = trained(tiny_mjd())
    z_video, z_motion, z_image, text, t = inputs()
    straight = model(z_video, z_motion, z_image, text, t).video
    permuted = model(z_video.flip(1), z_motion.flip(1), z_image.flip(1), text, t).video
    assert (straight.flip(1) - permuted).abs().max() > 1e-3


def test_e_the_papers_model_counts_its_parameters_on_the_meta_device():
    with torch.device("meta"):
        model = MultiViewJointDiffusion(preset("wan22_5b").mjd)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    new = sum(size for name, size in sizes.items() if name in model.new_parameters())
    assert sum(sizes.values()) - new == 4_999_787_712  # Wan2.2-TI2V-5B's transformer
    assert round(sum(sizes.values()) / 1e9, 2) == 6.19
    assert sum(size for name, size in sizes.items() if ".attn_view." in name) == 30 * 37_767_168
    assert all(parameter.is_meta for parameter in model.parameters())
