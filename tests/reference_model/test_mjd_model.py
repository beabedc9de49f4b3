"""MultiViewJointDiffusion: conditioning, checkpointing, attention backends, precision, saving."""

import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from tiny_mjd import NANO, inputs, tiny_mjd, trained

from reference_model.config import preset, with_mjd
from reference_model.loading.transformer import load_mjd
from reference_model.mjd.block import TimeRows, add_gated, modulate, modulation_rows
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.mjd.tokens import rotary_table


def total(output):
    return sum(each.square().sum() for each in output)


@torch.no_grad()
def test_shapes_and_types():
    z_video, z_motion, z_image, text, t = inputs()
    output = tiny_mjd()(z_video, z_motion, z_image, text, t)
    assert output.video.shape == output.motion.shape == z_video.shape
    assert output.s.shape == (2, 3, 2)
    assert {each.dtype for each in output} == {torch.float32}


@torch.no_grad()
def test_the_image_replaces_the_first_frame():
    """Frame 0 of z_t^V has no effect; the image has."""
    model = trained(tiny_mjd())
    z_video, z_motion, z_image, text, t = inputs()
    other = z_video.clone()
    other[:, :, :, 0] += 5.0
    one, same = (model(z, z_motion, z_image, text, t) for z in (z_video, other))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.allclose(one.video, model(z_video, z_motion, z_image + 1.0, text, t).video, atol=1e-3)
    assert torch.equal(z_video, inputs()[0])


@torch.no_grad()
def test_samples_of_a_batch_are_independent():
    model = trained(tiny_mjd())
    batched = model(*inputs())
    for b in range(2):
        alone = model(*(each[b : b + 1] for each in inputs()))
        for one, other in zip(batched, alone, strict=True):
            assert torch.allclose(one[b : b + 1], other, atol=1e-5)


@torch.no_grad()
def test_views_see_each_other_only_through_inter_view_attention():
    z_video, z_motion, z_image, text, t = inputs()
    moved = z_video.clone()
    moved[:, 2] += 1.0
    for model, seen in ((tiny_mjd(), False), (trained(tiny_mjd()), True)):
        before, after = (model(z, z_motion, z_image, text, t) for z in (z_video, moved))
        assert torch.allclose(before.video[:, :2], after.video[:, :2], atol=1e-6) is not seen
        assert not torch.allclose(before.video[:, 2], after.video[:, 2], atol=1e-4)


@torch.no_grad()
def test_special_tokens_of_all_views_meet_if_configured():
    """Inter-view attention runs on groups of three frames of two modalities, and on the special tokens as one more."""
    for meet in (True, False):
        model = trained(tiny_mjd(special_tokens_meet=meet, num_layers=1))
        block = model.blocks[0]
        seen = []
        hook = block.attn_view.register_forward_hook(lambda _, given, out: seen.append(out.shape[1]))  # noqa: B023
        model(*inputs())
        hook.remove()
        assert seen == ([3 * 8] if meet else []) + [3 * 2 * 6]


@torch.no_grad()
def test_initial_guidance_is_zero_or_literally_added_to_the_latent():
    z_video, z_motion, z_image, text, t = inputs()
    guidance = torch.randn(z_motion.shape, generator=torch.Generator().manual_seed(9))
    gentle = tiny_mjd()
    for one, other in zip(gentle(*inputs()), gentle(*inputs(), guidance), strict=True):
        assert torch.equal(one, other)
    literal = tiny_mjd(guidance_init="patch_embedding")
    guided = literal(z_video, z_motion, z_image, text, t, guidance)
    added = literal(z_video, z_motion + guidance, z_image, text, t)
    for one, other in zip(guided, added, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@torch.no_grad()
def test_each_scale_token_predicts_one_end_of_the_depth_range():
    model = trained(tiny_mjd(num_layers=1))
    model.blocks = torch.nn.ModuleList()  # without blocks no token knows of another
    before = model(*inputs()).s
    model.register_embedding += torch.randn(6, NANO.width)
    assert torch.equal(model(*inputs()).s, before)
    model.scale_embedding[1] += torch.randn(NANO.width)
    moved = model(*inputs()).s != before
    assert moved[..., 1].all() and not moved[..., 0].any()


@torch.no_grad()
def test_scale_tokens_may_see_the_intrinsics():
    model = trained(tiny_mjd(scale_tokens_see_K=True))
    near, far = (torch.full((2, 3, 2), f) for f in (0.8, 1.6))
    assert not torch.allclose(model(*inputs(), None, near).s, model(*inputs(), None, far).s, atol=1e-4)


def test_gradient_checkpointing_changes_memory_not_values():
    model = trained(tiny_mjd(num_layers=4)).train()
    bytes_saved, gradients, values = [], [], []
    for checkpointing in (False, True):
        if checkpointing:
            model.enable_gradient_checkpointing()
        model.zero_grad()
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.nbytes) or x, lambda x: x):  # noqa: B023
            loss = total(model(*inputs()))
        loss.backward()
        bytes_saved.append(sum(saved))
        values.append(loss.detach())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert bytes_saved[1] < bytes_saved[0] / 5
    assert torch.equal(*values)
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_every_parameter_learns():
    """But guidance's, which is not given here, and nothing else: a parameter without a gradient would be a bug, or stop DDP."""
    model = trained(tiny_mjd()).train()
    total(model(*inputs())).backward()
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert still == {"guidance_embedding.weight"}


def test_inter_view_attention_has_a_gradient_at_its_zero_initialization():
    """Its output projection is zero at the start, but its gradient is not."""
    model = tiny_mjd().train()
    total(model(*inputs())).backward()
    assert all(block.attn_view.to_out[0].weight.grad.abs().sum() > 0 for block in model.blocks)


@torch.no_grad()
@pytest.mark.parametrize("backend", ["_native_math", "_native_flash", "_native_efficient", "_native_cudnn"])
def test_attention_backends_agree(backend):
    if backend in ("_native_efficient", "_native_cudnn") and not torch.cuda.is_available():
        pytest.skip(f"{backend} runs on CUDA only")
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    model = trained(tiny_mjd()).to(device, dtype)
    given = [each.to(device) for each in inputs()]
    native = model(*given)
    with attention_backend("native"):  # restores the backend of the process, which the next line sets
        model.set_attention_backend(backend)
        outputs = model(*given)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    for one, other in zip(native, outputs, strict=True):
        assert (one - other).abs().max() <= tolerance * one.abs().max()


@torch.no_grad()
def test_bf16_is_close_to_fp32_and_tables_stay_fp32(tmp_path):
    model = trained(tiny_mjd())
    exact = model(*inputs())
    model.save_pretrained(tmp_path)
    half = load_mjd(tmp_path, preset("nano"), dtype=torch.bfloat16)
    in_fp32 = {
        name.split(".")[-1] if "table" in name else name.split(".")[-2]
        for name, p in half.named_parameters()
        if p.dtype == torch.float32
    }
    assert in_fp32 == {
        "scale_shift_table", "scale_shift_table_motion", "scale_shift_table_view", "scale_shift_table_view_motion",
        "linear_1", "linear_2", "time_proj", "time_proj_motion", "norm2", "scale_head",
    }  # fmt: skip
    for one, other in zip(exact, half(*inputs()), strict=True):
        assert torch.isfinite(other).all() and (one - other).norm() < 0.05 * one.norm()


@torch.no_grad()
def test_outputs_are_float32_after_a_cast_and_under_autocast():
    """Training engines cast every parameter, also those that loading keeps in float32."""
    model = trained(tiny_mjd())
    exact = model(*inputs())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(*inputs())
    for output in (mixed, model.to(torch.bfloat16)(*inputs())):
        assert {each.dtype for each in output} == {torch.float32}
        for one, other in zip(exact, output, strict=True):
            assert (one - other).norm() < 0.05 * one.norm()


@torch.no_grad()
def test_depth_ranges_are_finer_than_bfloat16():
    """Its grid is 3.9 mm wide between half a metre and a metre."""
    model = trained(tiny_mjd())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(*inputs()).s
    for s in (mixed, model.to(torch.bfloat16)(*inputs()).s):
        assert (s != s.bfloat16().float()).sum() > 6  # of 12


@torch.no_grad()
def test_noise_levels_are_embedded_in_float32_at_any_precision(tmp_path):
    """Training runs under autocast, sampling with weights in bfloat16: both modulate the blocks exactly as float32 does."""

    def modulation_of(model):
        seen = []
        model.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[2]))
        model(*inputs())
        return seen[0]

    model = trained(tiny_mjd())
    model.save_pretrained(tmp_path)
    exact = modulation_of(model)
    sampled = modulation_of(load_mjd(tmp_path, preset("nano"), dtype=torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        training = modulation_of(model)
    for half in (training, sampled):
        assert all(torch.equal(one, other) for one, other in zip(half, exact, strict=True))


@torch.no_grad()
def test_a_saved_model_is_loaded_equal(tmp_path):
    model = trained(tiny_mjd(inter_view="separate"))
    model.save_pretrained(tmp_path)
    again = load_mjd(tmp_path, with_mjd(preset("nano"), inter_view="separate"))
    assert again.settings == model.settings
    for one, other in zip(model(*inputs()), again(*inputs()), strict=True):
        assert torch.equal(one, other)


@torch.no_grad()
def test_diffusers_loads_a_saved_model(tmp_path):
    model = trained(tiny_mjd(inter_view="separate"))
    model.save_pretrained(tmp_path)
    again = MultiViewJointDiffusion.from_pretrained(tmp_path)
    assert again.settings == model.settings
    for one, other in zip(model(*inputs()), again(*inputs()), strict=True):
        assert torch.equal(one, other)


def test_rotary_tables_are_wans():
    theirs = WanRotaryPosEmbed(128, (1, 2, 2), 1024)(torch.empty(1, 48, 5, 6, 8))
    for one, other in zip(rotary_table(torch.arange(5), 3, 4, 128), theirs, strict=True):
        assert torch.equal(one, other)


def test_modulation_by_spans_is_modulation_by_token():
    torch.manual_seed(0)
    spans, d = (2, 3, 4), 8
    time = TimeRows(*torch.randn(3, 2, 3, d))
    video, motion = torch.randn(2, 1, 3, d)
    x, y = torch.randn(2, 2, 3, 9, d)
    norm = torch.nn.LayerNorm(d, elementwise_affine=False)
    shift, scale, gate = modulation_rows(video, motion, time)
    spanned = add_gated(modulate(norm, x, spans, shift, scale), y, spans, gate)
    for b in range(2):
        for token in range(9):
            span = 0 if token < 2 else 1 if token < 5 else 2
            a, s, g = (motion if span == 2 else video)[0] + time[span][b]
            plain = norm(x[b, :, token]) * (1 + s) + a + y[b, :, token] * g
            assert torch.allclose(spanned[b, :, token], plain, atol=1e-6)


@pytest.mark.slow
@torch.no_grad()
def test_the_compiled_model_gives_equal_outputs():
    model = trained(tiny_mjd())
    eager = model(*inputs())
    model.compile_repeated_blocks(fullgraph=True)
    for one, other in zip(eager, model(*inputs()), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def refused(match, model=None, **changes):
    names = ("z_video", "z_motion", "z_image", "text", "t")
    given = dict(zip(names, inputs(), strict=True)) | changes
    with pytest.raises(ValueError, match=match):
        (model or tiny_mjd())(**given)


def test_inconsistent_inputs_are_refused():
    z_video, z_motion, z_image, text, t = inputs()
    two = {name: each[:, :2] for name, each in (("z_video", z_video), ("z_motion", z_motion), ("z_image", z_image))}
    refused("2 views, but the model was built for V = 3", **two)
    refused(r"both None", z_video=None, z_motion=None, z_image=None)
    refused(r"z_motion has shape \(2, 3, 16, 2, 4, 6\), expected \(2, 3, 16, 3, 4, 6\)", z_motion=z_motion[:, :, :, :2])
    refused(r"z_image has shape .*, expected \(2, 3, 16, 1, 4, 6\)", z_image=z_image.repeat(1, 1, 1, 2, 1, 1))
    refused("z_image requires z_video", z_video=None)
    refused(r"text has shape \(2, 16, 31\), expected \(2, L, 32\)", text=text[..., :31])
    refused(r"t has shape \(1,\), expected \(2,\)", t=t[:1])
    refused(
        r"w = 5, expected a multiple of the patch size 2",
        z_video=z_video[..., :5],
        z_motion=None,
        z_image=z_image[..., :5],
    )
    refused(r"latents have shape .*, expected \(B, V, 16, n, h, w\)", z_video=z_video[:, :, :15])
    refused("guidance requires z_motion", z_motion=None, guidance=z_video)
    refused("intrinsics are given", intrinsics=torch.ones(2, 3, 2))
    refused("give intrinsics", model=tiny_mjd(scale_tokens_see_K=True))
