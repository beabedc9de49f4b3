"""Algorithm 1, line by line: the order of the calls, the inputs of each, where gradients stop, and the losses by hand."""

import functools
import inspect
import itertools

import pytest
import torch
from plain_losses import brute_chamfer, mean_over_points
from recording_models import Journal, RecordingDPA, RecordingMJD, RecordingTrackCodec
from tiny_loop import FoldingCoder, tiny_batch, tiny_config, tiny_noise

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.joint_step import grid_step, joint_step
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import TrackCodec

CODER = FoldingCoder()
BATCH = tiny_batch(CODER)
CONFIG = tiny_config(CODER.channels)
READINGS = ("x0", "algorithm1_literal")
T = torch.tensor([0.3, 0.7])


class Iteration:
    """One joint step of recording models, whose outputs depend on the number of earlier calls and on four parameters."""

    def __init__(self, reading, *, guided, gradient="none", true=False, see_k=False, diverged=None):
        self.cycle = CycleConfig(reading=reading, gradient=gradient)
        self.noise = tiny_noise(BATCH, CONFIG, guided=guided)._replace(t=T)
        self.journal, self.true = Journal(), true
        self.weights = {
            name: torch.ones((), requires_grad=True) for name in ("video", "motion", "depth_range", "points")
        }
        if diverged:
            self.weights[diverged] = torch.tensor(torch.nan, requires_grad=True)
        track_codec = TrackCodec(
            CODER,
            BATCH.cameras,
            build_scene_frame(BATCH.cameras, 0.2, 1.7),
            BATCH.anchors,
            BATCH.point_mask,
            CONFIG.pseudo_video,
        )
        self.M = track_codec.scene_frame.from_world(BATCH.world)
        self.losses = joint_step(
            RecordingMJD(self.journal, self.mjd, see_k=see_k), RecordingDPA(self.journal, self.dpa), BATCH, self.noise,
            RecordingTrackCodec(self.journal, track_codec), CONFIG.flow, self.cycle,
        )  # fmt: skip

    def off(self, like):
        """The error of an output, different in each call."""
        g = torch.Generator().manual_seed(len(self.journal))
        return 0.0 if self.true else torch.randn(like.shape, generator=g)

    def mjd(self, z_video, z_motion, text, t):
        video, motion = self.noise.video - BATCH.z_video, self.noise.motion - BATCH.z_motion
        return (
            self.weights["video"] * (video + self.off(video)),
            self.weights["motion"] * (motion + self.off(motion)),
            self.weights["depth_range"] * (BATCH.s + 0.05 * self.off(BATCH.s)),
        )

    def dpa(self, M_t, coarse, t):
        v = self.noise.points - self.M
        return self.weights["points"] * (v + 0.1 * self.off(v)) + 0.01 * coarse

    def reached(self, loss):
        """The parameters that a loss passes gradients to."""
        names, weights = zip(*self.weights.items(), strict=True)
        slopes = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
        return {name for name, slope in zip(names, slopes, strict=True) if slope is not None and slope.abs() > 0}


@functools.cache
def iteration(reading, **options):
    """An iteration that tests share."""
    return Iteration(reading, **options)


def diffused(z_0, z_1):
    """Line 6, sample by sample."""
    return torch.stack([(1 - t) * z_0[b] + t * z_1[b] for b, t in enumerate(T.tolist())])


def stepped(z_t, v, dt):
    return torch.stack([z_t[b] + step * v[b] for b, step in enumerate(dt)])


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("reading", READINGS)
def test_the_calls_come_in_algorithm_1s_order(reading, guided):
    line_7_and_8 = [*["mjd"] * (reading == "x0"), "decode_tracks", "dpa", "encode_guidance"]
    assert iteration(reading, guided=guided).journal.names == line_7_and_8 * guided + ["mjd", "decode_tracks", "dpa"]


@pytest.mark.parametrize("reading", READINGS)
def test_lines_7_and_8_refine_the_estimate_of_the_previous_step(reading):
    step = iteration(reading, guided=True)
    *estimate, tracks, dpa, guidance = step.journal[:-3]
    z_t = diffused(BATCH.z_motion, step.noise.motion)
    if reading == "algorithm1_literal":  # Dec(z_t^Mpv, s): the noisy latents, the true range
        assert not estimate
        z, s = z_t, BATCH.s
    else:  # of an estimate made without guidance: z_0 = z_t - t v, and its own s^
        (mjd,) = estimate
        assert not mjd.inputs["guidance"].any() and not mjd.has_gradients
        assert torch.equal(mjd.inputs["z_motion"], step.journal[-3].inputs["z_motion"])
        z, s = stepped(z_t, mjd.output.motion, (-T).tolist()), mjd.output.s
    assert torch.allclose(tracks.inputs["z_motion"], z, atol=1e-5) and torch.equal(tracks.inputs["s"], s)
    M_t = diffused(step.M, step.noise.points)
    assert torch.allclose(dpa.inputs["M_t"], M_t, atol=1e-6)
    assert dpa.inputs["coarse"] is tracks.output[0] and dpa.inputs["found"] is tracks.output[1]
    assert torch.equal(dpa.inputs["t"], T)
    assert torch.allclose(guidance.inputs["M"], stepped(M_t, dpa.output, (-T).tolist()), atol=1e-5)  # M~ = M_t - t v
    assert not any(call.has_gradients for call in step.journal[:-3])
    assert not guidance.output.requires_grad and guidance.output.any()


@pytest.mark.parametrize(("reading", "guided"), [*itertools.product(READINGS, [True, False])])
def test_line_9_generates_with_the_guidance_of_line_8(reading, guided):
    step = iteration(reading, guided=guided)
    mjd, _, _ = step.journal[-3:]
    inputs = mjd.inputs
    assert torch.allclose(inputs["z_video"], diffused(BATCH.z_video, step.noise.video), atol=1e-6)
    assert torch.allclose(inputs["z_motion"], diffused(BATCH.z_motion, step.noise.motion), atol=1e-6)
    assert torch.equal(inputs["z_image"], BATCH.z_video[:, :, :, :1])
    assert inputs["text"] is BATCH.text and torch.equal(inputs["t"], T) and inputs["intrinsics"] is None
    if guided:
        assert inputs["guidance"] is step.journal.calls("encode_guidance")[0].output
    else:
        assert inputs["guidance"].shape == BATCH.z_motion.shape and not inputs["guidance"].any()
    assert mjd.has_gradients


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("reading", READINGS)
def test_lines_10_and_11_decode_the_stepped_latents_with_the_predicted_range(reading, guided):
    step = iteration(reading, guided=guided)
    mjd, tracks, dpa = step.journal[-3:]
    dt = (-T).tolist() if reading == "x0" else [-0.3, 0.625 - 2.5 / 3]
    z_hat = stepped(mjd.inputs["z_motion"], mjd.output.motion, dt)
    assert torch.allclose(tracks.inputs["z_motion"], z_hat, atol=1e-5)
    assert torch.equal(tracks.inputs["s"], mjd.output.s)
    assert torch.allclose(dpa.inputs["M_t"], diffused(step.M, step.noise.points), atol=1e-6)
    assert dpa.inputs["coarse"] is tracks.output[0] and dpa.inputs["found"] is tracks.output[1]
    assert torch.equal(dpa.inputs["t"], T)
    for call in step.journal.calls("dpa"):
        assert (
            torch.equal(call.inputs["anchors"], BATCH.normalized_anchors)
            and call.inputs["point_mask"] is BATCH.point_mask
        )


@pytest.mark.parametrize("reading", READINGS)
def test_line_12_is_equations_3_and_4(reading):
    step = iteration(reading, guided=True)
    mjd, _, dpa = step.journal[-3:]
    video, motion = step.noise.video - BATCH.z_video, step.noise.motion - BATCH.z_motion
    frames = range(1, video.shape[3])  # the image's frame is given, not generated
    expected = {
        "video": torch.stack([(mjd.output.video - video)[:, :, :, n] for n in frames]).square().mean(),
        "motion": (mjd.output.motion - motion).square().mean(),
        "depth_range": (mjd.output.s - BATCH.s).square().mean(),
        "points": mean_over_points(dpa.output, step.noise.points - step.M, BATCH.point_mask),
        "chamfer": brute_chamfer(stepped(dpa.inputs["M_t"], dpa.output, (-T).tolist()), step.M, BATCH.point_mask),
        "depth_range_error": (mjd.output.s - BATCH.s).abs().mean(),
    }
    assert set(expected) == set(step.losses._fields)
    for name, value in expected.items():
        assert getattr(step.losses, name).item() == pytest.approx(value.item(), rel=1e-4), name


@pytest.mark.parametrize("guided", [True, False])
def test_losses_of_the_truth_are_zero(guided):
    step = iteration("x0", guided=guided, true=True)
    _, found = step.journal.calls("decode_tracks")[-1].output
    assert found.float().mean() > 0.8  # the estimate of clean motion is the drawn truth
    losses = step.losses._asdict()
    assert all(losses[name] < 1e-9 for name in ("video", "motion", "depth_range"))
    assert losses["points"] < 1e-2 and losses["chamfer"] < 1e-2  # the stand-in adds a hundredth of the coarse tracks


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    ("gradient", "through_dpa"),
    [("none", set()), ("depth_scale", {"depth_range"}), ("full", {"depth_range", "motion"})],
)
def test_gradients_from_line_11_reach_mjd_as_configured(reading, gradient, through_dpa):
    step = iteration(reading, guided=True, gradient=gradient, true=reading == "x0")
    assert step.journal[-2].inputs["gradient"] == gradient
    assert all(call.inputs["gradient"] == "none" for call in step.journal.calls("decode_tracks")[:-1])
    for loss in (step.losses.points, step.losses.chamfer):
        assert step.reached(loss) == {"points"} | through_dpa
    noisy = iteration(reading, guided=True, gradient=gradient)  # losses of true outputs have no gradient
    for name in ("video", "motion", "depth_range"):
        assert noisy.reached(getattr(noisy.losses, name)) == {name}
    assert not noisy.losses.depth_range_error.requires_grad


@pytest.mark.parametrize("diverged", ["video", "motion", "depth_range", "points"])
def test_losses_of_a_diverged_model_are_not_finite(diverged):
    losses = Iteration("x0", guided=True, diverged=diverged).losses._asdict()
    not_finite = {name for name, loss in losses.items() if not loss.isfinite()}
    assert not_finite == {diverged} | {"points": {"chamfer"}, "depth_range": {"depth_range_error"}}.get(diverged, set())


def test_intrinsics_go_to_scale_tokens_that_see_them_in_every_pass():
    step = iteration("x0", guided=True, see_k=True)
    assert len(step.journal.calls("mjd")) == 2
    for call in step.journal.calls("mjd"):
        assert torch.equal(call.inputs["intrinsics"], BATCH.intrinsics)


def test_one_step_of_the_samplers_grid():
    even = FlowConfig(steps=4, shift=1.0)  # 1, .75, .5, .25, 0
    t = torch.tensor([1.0, 0.75, 0.6, 0.25, 0.1, 1e-6])
    assert torch.allclose(grid_step(t, even), torch.tensor([-0.25, -0.25, -0.25, -0.25, -0.1, -1e-6]), atol=1e-7)
    shifted = FlowConfig(steps=4, shift=5.0)  # 1, .9375, .8333, .625, 0
    t = torch.tensor([1.0, 0.9375, 0.9, 0.625, 0.626, 0.01])
    expected = [-0.0625, 0.8333333 - 0.9375, 0.8333333 - 0.9375, -0.625, 0.625 - 0.8333333, -0.01]
    assert torch.allclose(grid_step(t, shifted), torch.tensor(expected), atol=1e-6)
    assert torch.allclose(grid_step(t, FlowConfig(steps=1)), -t)


def test_a_step_never_leads_past_0():
    t = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    for steps, shift in itertools.product([1, 3, 50], [1.0, 5.0]):
        after = t + grid_step(t, FlowConfig(steps=steps, shift=shift))
        assert (after >= 0).all() and (after < t).all()


def test_the_joint_step_fits_a_screen():
    assert len(inspect.getsource(joint_step).splitlines()) <= 60
    lines = inspect.getsource(joint_step)
    assert all(f"# {number}" in lines for number in (5, 6, 9, 10, 11, 12)) and "# 7:" in lines and "# 8:" in lines
