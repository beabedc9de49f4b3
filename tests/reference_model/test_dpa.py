"""The points aligner: who sees whom, what padding and missing coarse points change, and that any order of points is the same cloud."""

import dataclasses

import pytest
import torch

from reference_model.config import DPAConfig, preset
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.rectified_flow import clean

B, V, N, K = 2, 3, 4, 10


def tiny_dpa(**changes):
    torch.manual_seed(0)
    settings = dataclasses.replace(
        preset("nano_literal").dpa, **{"width": 32, "window": 8, "sparse_conv": "torch", "voxel": 0.5} | changes
    )
    model = DiffusionPointsAligner(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # as after training: nothing is at zero
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def case(seed=1):
    g = torch.Generator().manual_seed(seed)
    M_t, coarse = torch.randn(2, B, V, N, K, 3, generator=g)
    found = torch.rand(B, V, N, K, generator=g) < 0.7
    return M_t, coarse, found, torch.rand(B, V, K, 2, generator=g), torch.rand(B, generator=g)


def test_its_config_has_the_fields_of_the_configuration():
    model = DiffusionPointsAligner(preset("nano").dpa)
    assert set(model.config) >= {f.name for f in dataclasses.fields(DPAConfig)}


@torch.no_grad()
def test_diffusers_loads_a_saved_model(tmp_path):
    model = tiny_dpa(orders=("z-trans",))
    model.save_pretrained(tmp_path)
    again = DiffusionPointsAligner.from_pretrained(tmp_path)
    assert again.settings == model.settings
    assert torch.equal(again(*case()), model(*case()))


@torch.no_grad()
def test_initial_velocities_are_zero():
    """The velocity head is zero before training."""
    model = DiffusionPointsAligner(preset("nano_literal").dpa)
    assert not model(*case()).any()


@torch.no_grad()
def test_predicted_tracks_are_the_clean_estimate_of_the_velocity():
    """The same last layer, read as v or as the clean tracks; below t = 0.05 the way is not divided by t any further."""
    M_t, coarse, found, anchors, _ = case()
    t = torch.tensor([0.6, 0.01])
    predicted = tiny_dpa(predicts="velocity")(M_t, coarse, found, anchors, t)
    v = tiny_dpa(predicts="tracks")(M_t, coarse, found, anchors, t)
    torch.testing.assert_close(clean(M_t, v, t)[0], predicted[0])
    torch.testing.assert_close(v[1], (M_t - predicted)[1] / 0.05)


@torch.no_grad()
def test_initially_predicted_tracks_are_the_origin():
    model = DiffusionPointsAligner(preset("nano").dpa)
    M_t, *inputs, t = case()
    assert clean(M_t, model(M_t, *inputs, t), t.clamp(min=0.05)).abs().max() < 1e-6


@torch.no_grad()
@pytest.mark.parametrize("voxel", [0.001, 4.0])
@pytest.mark.parametrize("window", [None, 8])
def test_points_in_another_order_are_the_same_cloud(window, voxel):
    """Windows follow places in space, and anchors where places share a voxel: not the order in memory."""
    model = tiny_dpa(window=window, voxel=voxel, reach=8.0)
    M_t, coarse, found, anchors, t = case()
    anchors[:, 1] = anchors[:, 0]  # views may have equal anchors
    order = torch.randperm(K, generator=torch.Generator().manual_seed(5))
    straight = model(M_t, coarse, found, anchors, t)
    shuffled = model(M_t[..., order, :], coarse[..., order, :], found[..., order], anchors[:, :, order], t)
    assert torch.allclose(straight[..., order, :], shuffled, atol=1e-5)


@torch.no_grad()
def test_full_windows_are_one_window_of_all_points():
    full, windowed = tiny_dpa(window=None), tiny_dpa(window=V * K)
    assert torch.equal(full(*case()), windowed(*case()))
    assert not torch.allclose(full(*case()), tiny_dpa(window=8)(*case()), atol=1e-3)


@torch.no_grad()
def test_views_and_coarse_motion_are_seen_and_other_frames_are_not():
    model = tiny_dpa(window=None)
    M_t, coarse, found, anchors, t = case()
    found[:, 1, 2] = True
    before = model(M_t, coarse, found, anchors, t)
    moved = coarse.clone()
    moved[:, 1, 2] += 0.3
    change = (model(M_t, moved, found, anchors, t) - before).abs().amax(dim=(0, 3, 4))  # (V, N)
    assert (change[:, 2] > 1e-4).all()
    assert (change[:, [0, 1, 3]] == 0).all()


@torch.no_grad()
def test_temporal_attention_sees_other_frames():
    model = tiny_dpa(window=None, temporal=True)
    M_t, coarse, found, anchors, t = case()
    other = M_t.clone()
    other[:, :, 0] += 0.3
    assert (
        (model(other, coarse, found, anchors, t) - model(M_t, coarse, found, anchors, t))[:, :, 3].abs() > 1e-6
    ).any()


@torch.no_grad()
def test_coarse_points_that_are_not_found_have_no_effect():
    model = tiny_dpa()
    M_t, coarse, found, anchors, t = case()
    noise = torch.where(found[..., None], coarse, torch.nan)
    assert torch.equal(model(M_t, noise, found, anchors, t), model(M_t, coarse, found, anchors, t))


@torch.no_grad()
def test_an_empty_coarse_set_is_the_null_token():
    model = tiny_dpa()
    M_t, coarse, found, anchors, t = case()
    v = model(M_t, coarse, torch.zeros_like(found), anchors, t)
    assert v.isfinite().all()
    model.null_token.add_(1.0)
    assert not torch.allclose(model(M_t, coarse, torch.zeros_like(found), anchors, t), v, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("window", [None, 8])
def test_padding_changes_nothing(window):
    model = tiny_dpa(window=window)
    M_t, coarse, found, anchors, t = (each[:, :, ..., :] if each.ndim > 1 else each for each in case())
    point_mask = torch.ones(B, V, K, dtype=torch.bool)
    point_mask[:, 2, 7:] = False
    found = found & point_mask[:, :, None]
    v = model(M_t, coarse, found, anchors, t, point_mask)
    other = M_t.clone()
    other[:, 2, :, 7:] = 99.0
    assert torch.equal(
        model(other, coarse, found, anchors, t, point_mask)[point_mask[:, :, None].expand_as(found)],
        v[point_mask[:, :, None].expand_as(found)],
    )


@torch.no_grad()
@pytest.mark.parametrize("window", [None, 8])
def test_more_padding_changes_nothing(window):
    """The case of a sample in a batch with one of more points: its windows are those of its own points."""
    model = tiny_dpa(window=window)
    M_t, coarse, found, anchors, t = case()
    point_mask = torch.arange(K) < torch.tensor([[9, 10, 6], [10, 3, 8]])[..., None]
    padded_inputs = [
        torch.cat([each, torch.ones_like(each)], dim=dim)
        for each, dim in ((M_t, 3), (coarse, 3), (found, 3), (anchors, 2))
    ]
    v = model(M_t, coarse, found, anchors, t, point_mask)
    padded = model(*padded_inputs, t, torch.cat([point_mask, torch.zeros_like(point_mask)], dim=2))[..., :K, :]
    at = point_mask[:, :, None].expand_as(found)
    assert torch.allclose(padded[at], v[at], atol=1e-5)


@torch.no_grad()
def test_a_view_without_found_points_and_a_view_without_points():
    model = tiny_dpa()
    M_t, coarse, found, anchors, t = case()
    found[:, 1] = False
    point_mask = torch.ones(B, V, K, dtype=torch.bool)
    point_mask[:, 1] = False
    assert model(M_t, coarse, found, anchors, t, point_mask).isfinite().all()


def test_gradient_checkpointing_changes_nothing():
    model, gradients = tiny_dpa().train(), []
    for checkpointing in (False, True):
        if checkpointing:
            model.enable_gradient_checkpointing()
        model.zero_grad()
        model(*case()).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
    assert all(torch.equal(one, two) for one, two in zip(*gradients, strict=True))


def test_every_parameter_learns():
    model = tiny_dpa(temporal=True).train()
    model(*case()).square().sum().backward()
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert not still


@torch.no_grad()
def test_mixed_precision_leaves_coordinates_in_full():
    """bfloat16 would round them: to 1 mm half a metre from the scene frame's centre."""
    model = tiny_dpa(num_layers=1)
    M_t, coarse, found, anchors, t = case()
    M_t, step = M_t + 3.0, 2.0**-10  # a fifth of a millimetre, where bfloat16 knows 3 mm
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (model.point_embedding(M_t + step) - model.point_embedding(M_t)).abs().max() > step / 10
        v = model(M_t, coarse, found, anchors, t)
    assert v.dtype == torch.float32 and not torch.equal(v, v.bfloat16().float())
    assert torch.allclose(v, model(M_t, coarse, found, anchors, t), atol=0.1)


@torch.no_grad()
def test_mixed_precision_leaves_noise_levels_in_full():
    """Training runs under autocast, sampling in float32: both modulate the blocks alike."""
    model, seen = tiny_dpa(num_layers=1), []
    model.blocks[0].modulation.register_forward_hook(lambda _, given, out: seen.append((*given, out)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(*case())
    model(*case())
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


@torch.no_grad()
def test_weights_in_bfloat16_give_velocities_in_float32():
    """ZeRO-3 runs bfloat16 weights under this autocast."""
    full, half = tiny_dpa(), tiny_dpa().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        v = half(*case())
    assert v.dtype == torch.float32
    assert torch.allclose(v, full(*case()), atol=0.2)


def test_inconsistent_inputs_are_refused():
    model = tiny_dpa()
    M_t, coarse, found, anchors, t = case()
    for match, arguments in {
        r"M_t has shape": (M_t[..., :2], coarse, found, anchors, t),
        r"M_t has shape \(2, 2, .*expected \(B, 3, N, K, 3\)": (M_t[:, :2], coarse, found, anchors, t),
        r"coarse has shape \(2, 3, 3, 10, 3\), expected": (M_t, coarse[:, :, :3], found, anchors, t),
        "anchors has shape": (M_t, coarse, found, anchors[:, :, :5], t),
        "t has shape": (M_t, coarse, found, anchors, t[:1]),
        "point_mask has shape": (M_t, coarse, found, anchors, t, found),
        "with K > 0": (M_t[..., :0, :], coarse, found, anchors, t),
    }.items():
        with pytest.raises(ValueError, match=match):
            model(*arguments)
