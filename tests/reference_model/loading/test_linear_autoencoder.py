"""The linear autoencoder: principal components of blocks of pixels, compared with a plain PCA by singular values; loading, and damaged files."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from changed_checkpoints import WEIGHTS, reconfigure, rewrite
from torch.nn.functional import interpolate

from reference_model.config import preset
from reference_model.loading.autoencoder import load_autoencoders
from reference_model.loading.linear_autoencoder import fit_linear_autoencoders

STRIDE, CHANNELS = (4, 8, 8), 12
MICRO = preset("micro")
CONFIG = dataclasses.replace(MICRO, mjd=dataclasses.replace(MICRO.mjd, in_channels=CHANNELS))


def video(seed, frames=9, size=(32, 48)):
    """A video of coarse random colours, which principal components can show in part."""
    colours = torch.rand(1, 3, 1 + frames // 3, 5, 7, generator=torch.Generator().manual_seed(seed))
    smooth = interpolate(colours, (frames, *size), mode="trilinear", align_corners=True)[0].permute(1, 2, 3, 0)
    noise = torch.rand(frames, *size, 3, generator=torch.Generator().manual_seed(seed + 100))
    return (0.9 * smooth + 0.1 * noise).contiguous()


PAIRS = [(video(seed), video(seed + 50).square()) for seed in range(3)]


@pytest.fixture(scope="module")
def model():
    return fit_linear_autoencoders(PAIRS, CHANNELS, STRIDE)


@pytest.fixture
def saved(model, tmp_path):
    model.save_pretrained(tmp_path / "vae")
    return tmp_path


def plain_blocks(frames):
    """(M, numbers) float64 blocks of all frames together, by loops."""
    _, height, width, _ = frames.shape
    blocks = [frames[:, i : i + 8, j : j + 8].reshape(-1) for i in range(0, height, 8) for j in range(0, width, 8)]
    return np.stack(blocks).astype(np.float64)


def plain_pca(videos, x):
    """Return ``x`` as its mean and principal components over ``videos`` show it, and the variance of each component."""
    kinds = [[v[:1] for v in videos], [v[i : i + 4] for v in videos for i in range(1, len(v), 4)]]
    parts, variances = [], []
    for kind, groups in zip(kinds, ([x[:1]], [x[i : i + 4] for i in range(1, len(x), 4)]), strict=True):
        data = np.concatenate([plain_blocks(frames) for frames in kind])
        mean = data.mean(axis=0)
        _, singular, basis = np.linalg.svd(data - mean, full_matrices=False)
        variances.append(np.repeat(singular[None, :CHANNELS] ** 2 / len(data), len(data), axis=0))
        for frames in groups:
            y = (plain_blocks(frames) - mean) @ basis[:CHANNELS].T @ basis[:CHANNELS] + mean
            tiles = y.reshape(frames.shape[1] // 8, frames.shape[2] // 8, len(frames), 8, 8, 3)
            parts.append(tiles.transpose(2, 0, 3, 1, 4, 5).reshape(frames.shape))
    return np.concatenate(parts), np.concatenate(variances)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_decoded_video_is_the_projection_of_a_plain_pca(model, kind):
    autoencoder = (model.video, model.motion)[kind]
    other = (video(7), video(8).square())[kind]
    expected, variances = plain_pca([pair[kind].numpy() for pair in PAIRS], other.numpy())
    z = autoencoder.encode(other)
    assert z.shape == (CHANNELS, 3, 4, 6)
    np.testing.assert_allclose(autoencoder.decode(z), expected, atol=2e-5)
    assert 0.01 < np.abs(expected - other.numpy()).mean() < 0.1, "it is no identity"
    np.testing.assert_allclose(float(autoencoder.scale) ** 2, variances.mean(), rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_the_first_latent_is_the_latent_of_the_first_image_bit_for_bit(model, frames):
    x = video(3, 9)[:frames]
    z = model.video.encode(x)
    assert torch.equal(z[:, :1], model.video.encode(x[:1]))
    assert model.video.decode(z).shape == x.shape


def test_latents_have_mean_square_1_and_bases_are_orthonormal(model):
    for kind, autoencoder in enumerate((model.video, model.motion)):
        z = torch.stack([autoencoder.encode(pair[kind]) for pair in PAIRS])
        assert abs(z.square().mean() - 1) < 1e-4
        for basis in (autoencoder.first_basis, autoencoder.later_basis):
            torch.testing.assert_close(basis @ basis.mT, torch.eye(CHANNELS), atol=1e-5, rtol=0)
        spread = z[:, :, 1:].transpose(0, 1).flatten(1).std(1)
        assert (spread.diff() < 1e-3).all(), "the largest variance is first"


def test_an_error_of_latents_is_an_error_of_pixels(model):
    z, noise = model.video.encode(video(3)), torch.randn(CHANNELS, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    difference = model.video.decode(z + noise) - model.video.decode(z)
    torch.testing.assert_close(difference.square().sum(), (model.video.scale * noise).square().sum(), rtol=1e-4, atol=0)


def test_a_still_video_has_the_image_in_the_same_channels_of_all_latent_frames(model):
    """The leading channels, which hold most of the variance: those of four equal frames are twice the image's."""
    x = torch.cat([video(seed, 1) for seed in range(20, 24)], dim=1)
    z = model.video.encode(x.expand(5, -1, -1, -1))[:4].flatten(2)
    first, later = (z - z.mean(-1, keepdim=True)).unbind(1)
    likeness = (first * later).sum(-1) / (first.norm(dim=-1) * later.norm(dim=-1))
    assert (likeness > 0.95).all()
    assert 1.6 < later.norm() / first.norm() < 2.4


def test_equal_videos_give_an_equal_fit(model):
    again = fit_linear_autoencoders(iter(PAIRS), CHANNELS, STRIDE)
    assert all(torch.equal(*each) for each in zip(model.parameters(), again.parameters(), strict=True))


def test_decode_is_differentiable_and_clips_nothing(model):
    z = (5 * model.motion.encode(video(3))).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        x = model.motion.decode(z)
    assert x.dtype == torch.float32 and (x.min() < 0 or x.max() > 1)
    x.square().sum().backward()
    assert (z.grad.abs().amax(dim=(0, 2, 3)) > 0).all()


def test_encode_checks_its_input_as_wans_does(model):
    with pytest.raises(ValueError, match=r"has 4 frames: expected 4 n \+ 1"):
        model.video.encode(torch.zeros(4, 32, 32, 3))
    with pytest.raises(ValueError, match="torch.uint8 values from 255 to 255: expected floats"):
        model.video.encode(torch.full((1, 32, 32, 3), 255, dtype=torch.uint8))


def test_there_must_be_videos_with_more_than_one_colour():
    with pytest.raises(ValueError, match="no clip was given"):
        fit_linear_autoencoders([], CHANNELS, STRIDE)
    black = torch.zeros(5, 16, 16, 3)
    with pytest.raises(ValueError, match="have one colour"):
        fit_linear_autoencoders([(black, black)], CHANNELS, STRIDE)


def test_loading_returns_what_was_saved_in_float32(model, saved):
    rewrite(saved / "vae" / WEIGHTS, lambda tensors: {k: v.half() for k, v in tensors.items()})
    loaded = load_autoencoders(saved, CONFIG)
    x = video(3)
    for autoencoder, original in ((loaded.video, model.video), (loaded.motion, model.motion)):
        assert {each.dtype for each in autoencoder.parameters()} == {torch.float32}
        torch.testing.assert_close(
            autoencoder.decode(autoencoder.encode(x)), original.decode(original.encode(x)), atol=4e-3, rtol=0
        )
    assert not torch.equal(loaded.video.later_basis, loaded.motion.later_basis)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda vae: (vae / WEIGHTS).write_bytes((vae / WEIGHTS).read_bytes()[:100]), "is truncated or not a safetensors"),
        (lambda vae: rewrite(vae / WEIGHTS, lambda t: t | {"video.scale": torch.tensor(torch.nan)}), "scale contains NaN"),
        (lambda vae: rewrite(vae / WEIGHTS, lambda t: t | {"video.scale": t["video.first_mean"].clone()}), "video.scale is \\(192,\\)"),
        (lambda vae: rewrite(vae / WEIGHTS, lambda t: {k: v for k, v in t.items() if "motion.l" not in k}), "2 problems"),
        (lambda vae: reconfigure(vae / "config.json", channels=193), "expected 1 to 192"),
        (lambda vae: reconfigure(vae / "config.json", channels="x"), "channels is 'x': input should be a valid integer"),
        (
            lambda vae: reconfigure(vae / "config.json", _class_name="AutoencoderKL"),
            "'AutoencoderKL', expected 'AutoencoderKLWan' or 'LinearAutoencoders'",
        ),
        (lambda vae: reconfigure(vae / "config.json", channels=16), "differing: .*first_basis"),
    ],
)  # fmt: skip
def test_a_damaged_autoencoder_is_refused(saved, damage, message):
    damage(saved / "vae")
    with pytest.raises(ValueError, match=message) as error:
        load_autoencoders(saved, CONFIG)
    assert str(saved / "vae") in str(error.value)


def test_an_autoencoder_of_another_model_is_refused(saved, wan_folder, tmp_path):
    with pytest.raises(
        ValueError, match=r"has \(channels, \*stride\) \(12, 4, 8, 8\), the model expects \(48, 4, 8, 8\)"
    ):
        load_autoencoders(saved, MICRO)
    with pytest.raises(ValueError, match="has class LinearAutoencoders, the model expects AutoencoderKLWan"):
        load_autoencoders(saved, preset("nano"))
    shutil.copytree(wan_folder / "vae", tmp_path / "wan" / "vae")
    with pytest.raises(ValueError, match="has class AutoencoderKLWan, the model expects LinearAutoencoders"):
        load_autoencoders(tmp_path / "wan", MICRO)
