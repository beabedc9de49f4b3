"""The warm-up of section 4.2: two independent models on noisy true tracks."""

import pytest
import torch
from plain_losses import brute_chamfer, mean_over_points
from recording_models import Journal, RecordingDPA, RecordingMJD
from tiny_loop import PADDED, FoldingCoder, tiny_batch, tiny_config, tiny_noise

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import TrackCodec
from reference_model.cycle.warmup_step import warmup_step

CODER = FoldingCoder()
BATCH = tiny_batch(CODER)
T = torch.tensor([0.3, 0.7])


class NoCoder:
    """An autoencoder that must not be called."""

    def encode(self, video):
        raise AssertionError("the warm-up encodes nothing")

    def decode(self, z):
        raise AssertionError("the warm-up decodes nothing")


class Iteration:
    """One step of the warm-up with recording stand-ins."""

    def __init__(self, *, guided=False, see_k=False, drop_uniform=None):
        noise = tiny_noise(BATCH, tiny_config(), guided=guided)
        self.noise = noise._replace(t=T, drop_uniform=noise.drop_uniform if drop_uniform is None else drop_uniform)
        self.w = {name: torch.ones((), requires_grad=True) for name in ("mjd", "dpa")}
        config = tiny_config().pseudo_video
        track_codec = TrackCodec(
            NoCoder(),
            BATCH.cameras,
            build_scene_frame(BATCH.cameras, 0.2, 1.7),
            BATCH.anchors,
            BATCH.point_mask,
            config,
        )
        self.M, self.journal = track_codec.scene_frame.from_world(BATCH.world), Journal()
        models = RecordingMJD(self.journal, self.mjd, see_k=see_k), RecordingDPA(self.journal, self.dpa)
        self.losses = warmup_step(*models, BATCH, self.noise, track_codec, FlowConfig(), CycleConfig())
        self.calls = {call.name: call for call in self.journal}

    def mjd(self, z_video, z_motion, text, t):
        return self.w["mjd"] * z_video, self.w["mjd"] * z_motion, self.w["mjd"] * BATCH.s * 1.1

    def dpa(self, M_t, coarse, t):
        return self.w["dpa"] * M_t


def diffused(z_0, z_1):
    return torch.stack([(1 - t) * z_0[b] + t * z_1[b] for b, t in enumerate(T.tolist())])


@pytest.mark.parametrize("guided", [True, False])
def test_each_model_is_called_once_and_mjd_without_guidance(guided):
    step = Iteration(guided=guided)
    assert step.journal.names == ["mjd", "dpa"]
    given = step.calls["mjd"].inputs
    assert given["guidance"].shape == BATCH.z_motion.shape and not given["guidance"].any()
    assert torch.allclose(given["z_video"], diffused(BATCH.z_video, step.noise.video), atol=1e-6)
    assert torch.allclose(given["z_motion"], diffused(BATCH.z_motion, step.noise.motion), atol=1e-6)
    assert torch.equal(given["z_image"], BATCH.z_video[:, :, :, :1])
    assert given["text"] is BATCH.text and torch.equal(given["t"], T) and given["intrinsics"] is None
    assert torch.equal(Iteration(see_k=True).calls["mjd"].inputs["intrinsics"], BATCH.intrinsics)


def test_coarse_tracks_are_true_tracks_with_noise_and_gaps():
    drop_uniform = torch.rand(BATCH.world.shape[:-1], generator=torch.Generator().manual_seed(0))
    step = Iteration(drop_uniform=drop_uniform)
    given = step.calls["dpa"].inputs
    assert torch.allclose(given["M_t"], diffused(step.M, step.noise.points), atol=1e-6)
    assert torch.allclose(given["coarse"] - step.M, 0.1 * step.noise.jitter, atol=1e-6)
    assert torch.equal(given["found"], (step.noise.drop_uniform > 0.3) & BATCH.point_mask[:, :, None])
    assert torch.equal(given["anchors"], BATCH.normalized_anchors) and given["point_mask"] is BATCH.point_mask
    assert torch.equal(given["t"], T)
    sample, view, count = PADDED
    assert (drop_uniform[sample, view, :, -count:] > 0.3).any() and not given["found"][sample, view, :, -count:].any()


def test_a_sample_may_have_no_coarse_points():
    drop_uniform = torch.ones(BATCH.world.shape[:-1])
    drop_uniform[0] = 0.0
    found = Iteration(drop_uniform=drop_uniform).calls["dpa"].inputs["found"]
    assert not found[0].any() and torch.equal(found[1], BATCH.point_mask[1, :, None].expand_as(found[1]))


def test_losses_are_equations_3_and_4_and_depend_on_one_model_each():
    step = Iteration()
    mjd, dpa = (step.calls[part] for part in ("mjd", "dpa"))
    video, motion = step.noise.video - BATCH.z_video, step.noise.motion - BATCH.z_motion
    M_bar = torch.stack([dpa.inputs["M_t"][b] - t * dpa.output[b] for b, t in enumerate(T.tolist())])
    expected = {
        "video": (mjd.output.video - video)[:, :, :, 1:].square().mean(),
        "motion": (mjd.output.motion - motion).square().mean(),
        "depth_range": (mjd.output.s - BATCH.s).square().mean(),
        "points": mean_over_points(dpa.output, step.noise.points - step.M, BATCH.point_mask),
        "chamfer": brute_chamfer(M_bar, step.M, BATCH.point_mask),
        "depth_range_error": (mjd.output.s - BATCH.s).abs().mean(),
    }
    for name, value in expected.items():
        loss = getattr(step.losses, name)
        assert loss.item() == pytest.approx(value.item(), rel=1e-4), name
        if name != "depth_range_error":
            slopes = torch.autograd.grad(loss, list(step.w.values()), allow_unused=True, retain_graph=True)
            own = "dpa" if name in ("points", "chamfer") else "mjd"
            assert {part for part, slope in zip(step.w, slopes, strict=True) if slope is not None} == {own}
    assert not step.losses.depth_range_error.requires_grad
