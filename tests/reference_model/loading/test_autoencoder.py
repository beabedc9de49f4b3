"""The autoencoder: encoding, decoding, loading, and checkpoints that are rejected."""

import numpy as np
import pytest
import torch
from changed_checkpoints import WEIGHTS, reconfigure, rewrite
from diffusers import AutoencoderKLWan

from reference_model.loading.autoencoder import WanAutoencoder, load_vae

SIZE = (64, 96)


@pytest.fixture(scope="module")
def vae(wan_folder):
    return load_vae(wan_folder)


@pytest.fixture(scope="module")
def autoencoder(vae):
    return WanAutoencoder(vae)


def clip(frames, seed=0, size=SIZE):
    return torch.rand(frames, *size, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frames", [5, 9, 13])
def test_first_latent_is_the_latent_of_the_first_image(autoencoder, frames):
    video = clip(frames)
    z = autoencoder.encode(video)
    assert z.shape == (16, 1 + (frames - 1) // 4, 4, 6)
    assert torch.equal(z[:, :1], autoencoder.encode(video[:1]))


def test_latents_are_causal(autoencoder):
    video = clip(9)
    other = torch.cat([video[:5], clip(4, seed=1)])
    z, z_other = autoencoder.encode(video), autoencoder.encode(other)
    assert torch.equal(z[:, :2], z_other[:, :2])
    assert not torch.equal(z[:, 2], z_other[:, 2])


def test_encode_is_the_normalized_mode(vae, autoencoder):
    video = clip(5)
    with torch.no_grad():
        posterior = vae.encode(video.permute(3, 0, 1, 2)[None] * 2 - 1).latent_dist
    for channel, (mean, std) in enumerate(zip(vae.config.latents_mean, vae.config.latents_std, strict=True)):
        torch.testing.assert_close(autoencoder.encode(video)[channel], (posterior.mean[0, channel] - mean) / std)


def test_decode_undoes_the_normalization(vae, autoencoder):
    z = autoencoder.encode(clip(5))
    mean, std = (torch.tensor(each)[:, None, None, None] for each in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        expected = vae.decode((z * std + mean)[None]).sample[0].permute(1, 2, 3, 0) / 2 + 0.5
    video = autoencoder.decode(z)
    assert video.shape == (5, *SIZE, 3)
    assert 0 <= video.min() < video.max() <= 1
    torch.testing.assert_close(video, expected)


def test_decode_inverts_the_normalization_of_encode(vae, autoencoder, monkeypatch):
    raw = torch.rand(1, 16, 2, 2, 3) * 2 - 1
    seen = []

    class Mode:
        latent_dist = type("Distribution", (), {"mode": lambda self: raw})()

    monkeypatch.setattr(vae, "encode", lambda x: Mode)
    z = autoencoder.encode(clip(5, size=(32, 32)))
    monkeypatch.setattr(vae, "decode", lambda x: seen.append(x) or type("Out", (), {"sample": x[:, :3]}))
    autoencoder.decode(z)
    assert not torch.allclose(z, raw[0])
    torch.testing.assert_close(seen[0], raw)


def test_decode_is_differentiable_with_a_frozen_autoencoder(vae, autoencoder):
    z = autoencoder.encode(clip(9)).requires_grad_()
    autoencoder.decode(z).square().sum().backward()
    assert (z.grad.abs().amax(dim=(0, 2, 3)) > 0).all(), "every latent frame is reached"
    assert z.grad.isfinite().all()
    assert all(not each.requires_grad and each.grad is None for each in vae.parameters())


def test_encode_keeps_no_graph(autoencoder):
    assert not autoencoder.encode(clip(1).requires_grad_()).requires_grad


def test_numpy_and_torch_videos_give_equal_latents(autoencoder):
    video = clip(1)
    assert torch.equal(autoencoder.encode(video.numpy()), autoencoder.encode(video))
    assert torch.equal(autoencoder.encode(video.numpy().astype(np.float64)), autoencoder.encode(video))


def test_float32_under_autocast(autoencoder):
    video = clip(5)
    z = autoencoder.encode(video)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(autoencoder.encode(video), z)
        inside = autoencoder.decode(z.bfloat16())
    assert inside.dtype == torch.float32
    assert torch.equal(inside, autoencoder.decode(z.bfloat16().float()))


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.full((1, 64, 96, 3), 255, dtype=torch.uint8), "torch.uint8 values from 255 to 255: expected floats"),
        (torch.full((1, 64, 96, 3), 1.01), "from 1.01 to 1.01"),
        (torch.full((1, 64, 96, 3), -0.5), "from -0.5"),
        (torch.full((1, 64, 96, 3), torch.nan), "from nan"),
    ],
)
def test_encode_rejects_values_outside_0_to_1(autoencoder, video, message):
    with pytest.raises(ValueError, match=message):
        autoencoder.encode(video)


@pytest.mark.parametrize("frames", [2, 4, 8])
def test_encode_refuses_frames_that_it_would_drop(autoencoder, frames):
    with pytest.raises(ValueError, match=rf"has {frames} frames: expected 4 n \+ 1"):
        autoencoder.encode(torch.zeros(frames, 32, 32, 3))


def test_encode_clips_rounding_errors_only(autoencoder):
    video = clip(5)
    video[0, 0, 0], video[1, 0, 0] = 1.0, 0.0
    rounded = video.clone()
    rounded[0, 0, 0], rounded[1, 0, 0] = 1.0 + 1e-6, -1e-6
    assert torch.equal(autoencoder.encode(rounded), autoencoder.encode(video))
    for wrong in (1.01, -0.01, torch.nan):
        rounded[0, 0, 0] = wrong
        with pytest.raises(ValueError, match="expected floats in \\[0, 1\\]"):
            autoencoder.encode(rounded)


# Loading


def test_loaded_autoencoder_equals_the_file(wan_folder):
    vae = load_vae(wan_folder)
    expected = AutoencoderKLWan.from_pretrained(wan_folder / "vae")
    parameters = dict(expected.named_parameters())
    assert dict(vae.named_parameters()).keys() == parameters.keys()
    assert all(torch.equal(each, parameters[name]) for name, each in vae.named_parameters())
    assert {k: v for k, v in vae.config.items() if k[0] != "_"} == {
        k: v for k, v in expected.config.items() if k[0] != "_"
    }
    assert not vae.training
    assert not any(each.requires_grad for each in vae.parameters())


def test_autoencoder_is_float32_whatever_is_stored(copy):
    rewrite(copy / "vae" / WEIGHTS, lambda tensors: {name: tensor.bfloat16() for name, tensor in tensors.items()})
    assert {each.dtype for each in load_vae(copy).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"latents_mean": [0.0] * 15}, "latents_mean has 15 numbers, expected 16;"),
        ({"latents_std": [0.0] + [1.0] * 15}, "latents_std[0] is 0.0;"),
        ({"latents_std": [1.0, -2.0, *[0.0] * 14]}, "latents_std[1] is -2.0 and 14 more;"),
        ({"latents_std": [1.0] * 15 + [float("nan")]}, "latents_std[15] is nan;"),
        ({"latents_mean": [float("inf")] + [1.0] * 15}, "latents_mean[0] is inf;"),
    ],
)
def test_invalid_moments(copy, changes, problem):
    reconfigure(copy / "vae" / "config.json", **changes)
    with pytest.raises(ValueError) as error:
        load_vae(copy)
    assert f"{copy / 'vae' / 'config.json'}: {problem}" in str(error.value)
    assert "hf download" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("latents_std", None, "latents_std is None: input should be a valid array"),
        ("dim_mult", "x", "dim_mult is 'x': input should be a valid array"),
        ("dim_mult", [1, "x"], r"dim_mult\[1\] is 'x': input should be a valid integer"),
        ("base_dim", 8.5, "base_dim is 8.5: input should be a valid integer"),
        ("is_residual", 1, "is_residual is 1: input should be a valid boolean"),
        ("z_dim", True, "z_dim is True: input should be a valid integer"),
        ("decoder_base_dim", "x", "decoder_base_dim is 'x': input should be a valid integer"),
        ("base_dim", -8, r"config.json describes no valid model \(RuntimeError"),
    ],
)
def test_config_values_of_another_type(copy, name, value, expected):
    reconfigure(copy / "vae" / "config.json", **{name: value})
    with pytest.raises(ValueError, match=f"{expected}.*hf download") as error:
        load_vae(copy)
    assert str(copy / "vae" / "config.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_another_class_of_autoencoder(copy):
    reconfigure(copy / "vae" / "config.json", _class_name="AutoencoderKL")
    with pytest.raises(ValueError, match="_class_name is 'AutoencoderKL', expected 'AutoencoderKLWan'"):
        load_vae(copy)


def test_missing_weights_of_the_autoencoder(copy):
    rewrite(copy / "vae" / WEIGHTS, lambda tensors: {k: v for k, v in tensors.items() if k != "quant_conv.bias"})
    with pytest.raises(ValueError, match=r"\(1 problem\):\n  missing: quant_conv.bias \(32,\)\n.*hf download"):
        load_vae(copy)
