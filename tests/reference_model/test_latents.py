import numpy as np
import pytest
import torch

from reference_model.latents import VideoCoder, decode, encode
from reference_model.wan import load_vae

SIZE = (64, 96)


@pytest.fixture(scope="module")
def vae(wan_folder):
    return load_vae(wan_folder)


def clip(frames, seed=0, size=SIZE):
    return torch.rand(frames, *size, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frames", [5, 9, 13])
def test_first_latent_is_the_latent_of_the_first_image(vae, frames):
    video = clip(frames)
    z = encode(vae, video)
    assert z.shape == (16, 1 + (frames - 1) // 4, 4, 6)
    assert torch.equal(z[:, :1], encode(vae, video[:1]))


def test_a_latent_does_not_see_later_frames(vae):
    video = clip(9)
    other = torch.cat([video[:5], clip(4, seed=1)])
    z, z_other = encode(vae, video), encode(vae, other)
    assert torch.equal(z[:, :2], z_other[:, :2])
    assert not torch.equal(z[:, 2], z_other[:, 2])


def test_encode_is_the_normalised_mode(vae):
    video = clip(5)
    with torch.no_grad():
        posterior = vae.encode(video.permute(3, 0, 1, 2)[None] * 2 - 1).latent_dist
    for channel, (mean, std) in enumerate(zip(vae.config.latents_mean, vae.config.latents_std, strict=True)):
        torch.testing.assert_close(encode(vae, video)[channel], (posterior.mean[0, channel] - mean) / std)


def test_decode_undoes_the_normalisation(vae):
    z = encode(vae, clip(5))
    mean, std = (torch.tensor(each)[:, None, None, None] for each in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        expected = vae.decode((z * std + mean)[None]).sample[0].permute(1, 2, 3, 0) / 2 + 0.5
    video = decode(vae, z)
    assert video.shape == (5, *SIZE, 3)
    assert 0 <= video.min() < video.max() <= 1
    torch.testing.assert_close(video, expected)


def test_normalisation_round_trips_through_an_autoencoder_that_changes_nothing(vae, monkeypatch):
    """With E and D the identity on latents, D(E(x)) is x: what encode takes away, decode gives back."""
    raw = torch.rand(1, 16, 2, 2, 3) * 2 - 1
    seen = []

    class Mode:
        latent_dist = type("Distribution", (), {"mode": lambda self: raw})()

    monkeypatch.setattr(vae, "encode", lambda x: Mode)
    z = encode(vae, clip(5, size=(32, 32)))
    monkeypatch.setattr(vae, "decode", lambda x: seen.append(x) or type("Out", (), {"sample": x[:, :3]}))
    decode(vae, z)
    assert not torch.allclose(z, raw[0])
    torch.testing.assert_close(seen[0], raw)


def test_decode_is_differentiable_and_the_autoencoder_frozen(vae):
    z = encode(vae, clip(9)).requires_grad_()
    decode(vae, z).square().sum().backward()
    assert (z.grad.abs().amax(dim=(0, 2, 3)) > 0).all(), "every latent frame is reached"
    assert z.grad.isfinite().all()
    assert all(not each.requires_grad and each.grad is None for each in vae.parameters())


def test_encode_keeps_no_graph(vae):
    assert not encode(vae, clip(1).requires_grad_()).requires_grad


def test_numpy_and_torch_videos_are_alike(vae):
    video = clip(1)
    assert torch.equal(encode(vae, video.numpy()), encode(vae, video))
    assert torch.equal(encode(vae, video.numpy().astype(np.float64)), encode(vae, video))


def test_float32_under_autocast(vae):
    video = clip(5)
    z = encode(vae, video)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encode(vae, video), z)
        inside = decode(vae, z.bfloat16())
    assert inside.dtype == torch.float32
    assert torch.equal(inside, decode(vae, z.bfloat16().float()))


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.zeros(48, 64, 96, 3), r"48 frames: expected 4 n \+ 1 of them, such as 45 or 49"),
        (torch.zeros(5, 48, 96, 3), "height is 48: expected a multiple of 32, such as 32 or 64"),
        (torch.zeros(5, 64, 100, 3), "width is 100: expected a multiple of 32, such as 96 or 128"),
        (torch.zeros(5, 0, 96, 3), "height is 0"),
        (torch.zeros(3, 5, 64, 96), r"shape \(3, 5, 64, 96\): expected \(N, H, W, 3\)"),
        (torch.zeros(64, 96, 3), r"shape \(64, 96, 3\)"),
        (torch.full((1, 64, 96, 3), 255, dtype=torch.uint8), "torch.uint8 values from 255 to 255: expected floats"),
        (torch.full((1, 64, 96, 3), 1.01), "from 1.01 to 1.01"),
        (torch.full((1, 64, 96, 3), -0.5), "from -0.5"),
        (torch.full((1, 64, 96, 3), torch.nan), "from nan"),
    ],
)
def test_encode_refuses(vae, video, message):
    with pytest.raises(ValueError, match=message):
        encode(vae, video)


@pytest.mark.parametrize("shape", [(15, 2, 4, 6), (2, 16, 2, 4, 6), (16, 4, 6)])
def test_decode_refuses_other_shapes(vae, shape):
    with pytest.raises(ValueError, match="expected \\(C, n, h, w\\) with C = 16"):
        decode(vae, torch.zeros(shape))


def test_the_coder_of_the_loop_forgives_rounding_and_nothing_more(vae):
    coder, video = VideoCoder(vae), clip(5)
    assert torch.equal(coder.encode(video), encode(vae, video))
    video[0, 0, 0], video[1, 0, 0] = 1.0, 0.0
    rounded = video.clone()
    rounded[0, 0, 0], rounded[1, 0, 0] = 1.0 + 1e-6, -1e-6
    assert torch.equal(coder.encode(rounded), encode(vae, video))
    for wrong in (1.01, -0.01, torch.nan):
        rounded[0, 0, 0] = wrong
        with pytest.raises(ValueError, match="expected floats in \\[0, 1\\]"):
            coder.encode(rounded)


def test_the_coder_of_the_loop_decodes_with_gradients(vae):
    coder = VideoCoder(vae)
    z = coder.encode(clip(5)).requires_grad_()
    video = coder.decode(z)
    assert torch.equal(video, decode(vae, z))
    video.sum().backward()
    assert z.grad.abs().max() > 0
