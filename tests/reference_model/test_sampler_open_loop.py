"""Sampling in open loop: MJD alone, traced through a recording model."""

import dataclasses

import pytest
import torch

from reference_model.config import CycleConfig, FlowConfig, MJDConfig, preset
from reference_model.cycle.sampler import Conditions, sample
from reference_model.mjd.model import MJDOutput, MultiViewJointDiffusion
from reference_model.rectified_flow import time_grid, velocity

B, V, C, N, H, W, L, TEXT_DIM = 2, 3, 4, 5, 2, 4, 3, 8
FLOW = FlowConfig(steps=6, shift=5.0, text_guidance_scale=3.0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


Z_IMAGE = drawn(B, V, C, 1, H, W, seed=100)
TEXT, NO_TEXT = torch.ones(B, L, TEXT_DIM), torch.zeros(B, L, TEXT_DIM)


class RecordingMJD:
    """An MJD that records its inputs, and returns ``velocities(z_video, z_motion, text, t)`` and a scale that depends on text and time."""

    settings = MJDConfig()

    def __init__(self, velocities):
        self.velocities, self.calls = velocities, []

    def __call__(self, z_video, z_motion, z_image, text, t, guidance=None, intrinsics=None, baseline=None):
        self.calls.append(
            {
                "z_video": z_video.clone(), "z_motion": z_motion.clone(), "z_image": z_image, "text": text, "t": t.clone(),
                "guidance": guidance, "intrinsics": intrinsics,
            }
        )  # fmt: skip
        video, motion = self.velocities(z_video, z_motion, text, t)
        scale = (text.mean() + t)[:, None, None].expand(B, V, 2)
        return MJDOutput(video, motion, scale)


def turbulent(z_video, z_motion, text, t):
    """Velocities that would carry every frame away, the first as well."""
    return z_video * 3 + 1, z_motion - 2


def open_loop(mjd, no_text=NO_TEXT, flow=FLOW, seed=0, *, z_image=Z_IMAGE, text=TEXT, n=N, intrinsics=None):
    given = Conditions(z_image, text, no_text, None, intrinsics, (4 * n - 3, n))
    return sample(mjd, None, given, None, flow, CycleConfig(), seeded(seed))


def test_the_first_frame_is_the_images_before_in_and_after_every_step():
    mjd = RecordingMJD(turbulent)
    sampled = open_loop(mjd)
    assert len(mjd.calls) == 2 * FLOW.steps
    for call in mjd.calls:
        assert torch.equal(call["z_video"][:, :, :, :1], Z_IMAGE)
        assert torch.equal(call["z_image"], Z_IMAGE)
        assert not torch.equal(call["z_motion"][:, :, :, :1], Z_IMAGE)
    assert torch.equal(sampled.z_video[:, :, :, :1], Z_IMAGE)


def test_the_true_velocities_lead_to_the_data():
    z_video, z_motion = (drawn(B, V, C, N, H, W, seed=seed) for seed in (5, 6))
    z_video[:, :, :, :1] = Z_IMAGE
    start = {}

    def true(noise_video, noise_motion, text, t):
        start.setdefault("video", noise_video), start.setdefault("motion", noise_motion)
        return velocity(z_video, start["video"]), velocity(z_motion, start["motion"])

    sampled = open_loop(RecordingMJD(true))
    torch.testing.assert_close(sampled.z_video, z_video, atol=1e-5, rtol=0)
    torch.testing.assert_close(sampled.z_motion, z_motion, atol=1e-5, rtol=0)


def test_each_step_evaluates_the_model_with_and_without_text():
    mjd = RecordingMJD(turbulent)
    open_loop(mjd)
    grid = time_grid(FLOW.steps, FLOW.shift)[:-1]
    for call, t in zip(mjd.calls, grid.repeat_interleave(2), strict=True):
        assert call["t"].tolist() == [t.item()] * B
    for with_text, without in zip(mjd.calls[::2], mjd.calls[1::2], strict=True):
        assert with_text["text"] is TEXT
        assert without["text"] is NO_TEXT
        for name in ("z_video", "z_motion"):
            assert torch.equal(with_text[name], without[name])
    assert not any(call["guidance"].any() for call in mjd.calls)


def test_text_guides_video_alone_and_the_scale_is_that_with_text():
    def of_text(z_video, z_motion, text, t):
        return torch.ones_like(z_video) * (2 + text.mean()), torch.ones_like(z_motion) * (2 + text.mean())

    start = RecordingMJD(of_text)
    sampled = open_loop(start)
    first = start.calls[0]
    # From t = 1 to 0, z falls by v: with text 3, without it 2, guided 2 + 3 (3 - 2) = 5.
    torch.testing.assert_close(sampled.z_video[:, :, :, 1:], first["z_video"][:, :, :, 1:] - 5, atol=1e-5, rtol=0)
    torch.testing.assert_close(sampled.z_motion, first["z_motion"] - 3, atol=1e-5, rtol=0)
    last = time_grid(FLOW.steps, FLOW.shift)[-2]
    torch.testing.assert_close(sampled.s, torch.full((B, V, 2), 1 + last.item()), atol=1e-6, rtol=0)


def test_without_an_empty_prompt_there_is_one_pass_a_step():
    mjd = RecordingMJD(turbulent)
    open_loop(mjd, no_text=None)
    assert len(mjd.calls) == FLOW.steps
    assert all(call["text"] is TEXT for call in mjd.calls)


def test_guidance_of_scale_one_is_no_guidance():
    def of_text(z_video, z_motion, text, t):
        return z_video * text.mean() + 1, z_motion

    plain = open_loop(RecordingMJD(of_text), no_text=None)
    unit = open_loop(RecordingMJD(of_text), flow=dataclasses.replace(FLOW, text_guidance_scale=1.0))
    torch.testing.assert_close(unit.z_video, plain.z_video, atol=1e-5, rtol=1e-5)


def test_noise_is_normal_and_independent_of_view_and_modality():
    mjd = RecordingMJD(turbulent)
    open_loop(mjd, None, z_image=torch.zeros(B, V, C, 1, 16, 16), n=9)
    noise = torch.stack([mjd.calls[0]["z_video"][:, :, :, 1:], mjd.calls[0]["z_motion"][:, :, :, 1:]])
    rows = noise.flatten(0, 2).flatten(1)  # modality, sample, view
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 0.06
    assert abs(rows.mean()) < 0.01
    assert abs(rows.std() - 1) < 0.01


def test_the_same_seed_gives_the_same_and_another_seed_another():
    first, again, other = (open_loop(RecordingMJD(turbulent), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.z_video, again.z_video)
    assert torch.equal(first.z_motion, again.z_motion)
    assert not torch.equal(first.z_motion, other.z_motion)


def test_intrinsics_reach_every_pass():
    mjd, intrinsics = RecordingMJD(turbulent), torch.ones(B, V, 2)
    open_loop(mjd, intrinsics=intrinsics)
    assert all(call["intrinsics"] is intrinsics for call in mjd.calls)


def test_a_half_precision_image_is_sampled_in_full():
    sampled = open_loop(RecordingMJD(turbulent), z_image=Z_IMAGE.bfloat16())
    assert sampled.z_video.dtype == sampled.z_motion.dtype == torch.float32
    assert torch.equal(sampled.z_video[:, :, :, :1], Z_IMAGE.bfloat16().float())


def test_through_the_real_model_the_first_frame_is_the_images_bit_for_bit():
    config = preset("nano")
    torch.manual_seed(0)
    mjd = MultiViewJointDiffusion(config.mjd).eval()
    n, h, w = config.latent_grid(9, 64, 96)
    z_image = drawn(1, V, config.mjd.in_channels, 1, h, w)
    text = drawn(1, config.text_tokens, config.mjd.text_dim)
    seen, patched = [], []
    mjd.register_forward_pre_hook(lambda _, args, kwargs: seen.append(args[0].clone()), with_kwargs=True)
    mjd.patch_embedding.register_forward_pre_hook(lambda _, args: patched.append(args[0].clone()))

    sampled = open_loop(mjd, torch.zeros_like(text), config.flow, z_image=z_image, text=text, n=n)

    assert len(seen) == len(patched) == 2 * config.flow.steps
    for z in seen:
        assert torch.equal(z[:, :, :, :1], z_image)
    for z in patched:
        assert torch.equal(z.unflatten(0, (1, V))[:, :, :, :1], z_image)
    assert torch.equal(sampled.z_video[:, :, :, :1], z_image)
    assert sampled.z_video.shape == sampled.z_motion.shape == (1, V, config.mjd.in_channels, n, h, w)
    assert sampled.s.shape == (1, V, 2) and sampled.M is None
    assert all(each.isfinite().all() and not each.requires_grad for each in sampled if each is not None)
    assert not torch.equal(sampled.z_video[:, :, :, 1:], seen[0][:, :, :, 1:])


def test_a_sample_that_is_not_finite_is_refused():
    with pytest.raises(FloatingPointError, match="sampled z_motion contains NaN or infinity"):
        open_loop(RecordingMJD(lambda z_video, z_motion, text, t: (z_video, z_motion * torch.nan)))


def test_the_model_refuses_another_number_of_views():
    mjd = MultiViewJointDiffusion(preset("nano").mjd)
    z_image, text = torch.zeros(1, 2, 16, 1, 4, 6), torch.zeros(1, 4, 32)
    with pytest.raises(ValueError, match="2 views, but the model was built for V = 3"):
        open_loop(mjd, None, z_image=z_image, text=text, n=2)
