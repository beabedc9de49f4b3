"""Sampling in the closed loop, traced through recording models: the inputs of each step, and true velocities that lead to the truth."""

import dataclasses
import functools
import inspect

import pytest
import torch
from recording_models import Journal, RecordingDPA, RecordingMJD, RecordingTrackCodec
from tiny_loop import LATENT, FoldingCoder, K, N, V, tiny_batch, tiny_config

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.sampler import Conditions, sample
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import TrackCodec
from reference_model.rectified_flow import time_grid

CODER = FoldingCoder()
B = 1
BATCH = tiny_batch(CODER, B)
PSEUDO_VIDEO = tiny_config().pseudo_video
FLOW = FlowConfig(steps=4, shift=2.0, text_guidance_scale=3.0)
GRID = time_grid(FLOW.steps, FLOW.shift).tolist()
CYCLE = CycleConfig()
READINGS = ("x0", "algorithm1_literal")


class Run:
    """One sample of recording models."""

    def __init__(self, cycle=CYCLE, flow=FLOW, *, true=False, no_text=True, seed=0, z_image=None):
        self.journal, self.true, self.start = Journal(), true, {}
        track_codec = TrackCodec(
            CODER,
            BATCH.cameras,
            build_scene_frame(BATCH.cameras, 0.2, 1.7),
            BATCH.anchors,
            BATCH.point_mask,
            PSEUDO_VIDEO,
        )
        self.M = track_codec.scene_frame.from_world(BATCH.world)
        self.z_image = BATCH.z_video[:, :, :, :1] if z_image is None else z_image
        given = Conditions(
            self.z_image,
            BATCH.text,
            -BATCH.text if no_text else None,
            BATCH.normalized_anchors,
            BATCH.intrinsics,
            (N, LATENT[0]),
        )
        models = RecordingMJD(self.journal, self.mjd), RecordingDPA(self.journal, self.dpa)
        track_codec = RecordingTrackCodec(self.journal, track_codec)
        self.sample = sample(*models, given, track_codec, flow, cycle, torch.Generator().manual_seed(seed))

    def mjd(self, z_video, z_motion, text, t):
        z_1 = self.start.setdefault("latents", (z_video.clone(), z_motion.clone()))
        if self.true:
            return z_1[0] - BATCH.z_video, z_1[1] - BATCH.z_motion, BATCH.s
        passed = 0.0 if torch.equal(text, BATCH.text) else 1.0
        return z_video * 0.5 + passed, z_motion - 2.0 - passed, BATCH.s * (0.9 + 0.1 * t.mean() + passed)

    def dpa(self, M_t, coarse, t):
        M_1 = self.start.setdefault("points", M_t.clone())
        return M_1 - self.M if self.true else M_1 - self.M + 0.1 * M_t

    @functools.cached_property
    def conditional(self):
        return [call for call in self.journal.calls("mjd") if call.inputs["text"] is BATCH.text]


@functools.cache
def run(reading="x0", **options):
    """A run that tests share."""
    return Run(CycleConfig(reading=reading), **options)


def test_each_step_calls_both_passes_then_the_loop():
    step = ["mjd", "mjd", "decode_tracks", "dpa"]
    assert (
        run().journal.names == [*step, "encode_guidance"] * (FLOW.steps - 1) + step
    )  # nothing follows that the last would guide
    assert run(no_text=False).journal.names.count("mjd") == FLOW.steps


@pytest.mark.parametrize("no_text", [True, False])
def test_guidance_of_one_step_enters_the_next_and_none_the_first(no_text):
    journal = run(no_text=no_text).journal
    calls, passes = journal.calls("mjd"), 1 + no_text
    for step in range(FLOW.steps):
        for call in calls[step * passes : (step + 1) * passes]:
            if step == 0:
                assert call.inputs["guidance"].shape == BATCH.z_motion.shape and not call.inputs["guidance"].any()
            else:
                assert call.inputs["guidance"] is journal.calls("encode_guidance")[step - 1].output


def test_the_models_are_evaluated_at_the_times_of_the_grid():
    journal = run().journal
    for part in ("mjd", "dpa"):
        calls = journal.calls(part)
        times = GRID[:-1] if part == "dpa" else [t for t in GRID[:-1] for _ in range(2)]
        assert [call.inputs["t"].tolist() for call in calls] == [[pytest.approx(t)] * B for t in times]


def test_every_step_is_given_the_cameras_and_the_anchors():
    for call in run().journal.calls("mjd"):
        assert call.inputs["intrinsics"] is not None and torch.equal(call.inputs["intrinsics"], BATCH.intrinsics)
    assert all(torch.equal(call.inputs["anchors"], BATCH.normalized_anchors) for call in run().journal.calls("dpa"))


def test_text_guides_video_alone_and_the_range_is_the_conditional_passes():
    one = run()
    calls, end = one.journal.calls("mjd"), {"z_video": one.sample.z_video, "z_motion": one.sample.z_motion}
    for step, (with_text, without) in enumerate(zip(calls[::2], calls[1::2], strict=True)):
        assert with_text.inputs["text"] is BATCH.text and torch.equal(without.inputs["text"], -BATCH.text)
        for name in ("z_video", "z_motion", "z_image", "t", "guidance"):
            assert with_text.inputs[name] is without.inputs[name], name
        after = calls[2 * step + 2].inputs if 2 * step + 2 < len(calls) else end
        dt = GRID[step + 1] - GRID[step]
        v = without.output.video + FLOW.text_guidance_scale * (with_text.output.video - without.output.video)
        z_video = with_text.inputs["z_video"] + dt * v
        assert torch.allclose(after["z_video"][:, :, :, 1:], z_video[:, :, :, 1:], atol=1e-4)
        assert torch.allclose(after["z_motion"], with_text.inputs["z_motion"] + dt * with_text.output.motion, atol=1e-5)
        assert torch.equal(one.journal.calls("decode_tracks")[step].inputs["s"], with_text.output.s)
    assert torch.equal(one.sample.s, one.conditional[-1].output.s)


@pytest.mark.parametrize("reading", READINGS)
def test_coarse_motion_is_the_estimate_or_the_next_state(reading):
    one = run(reading)
    for step, (mjd, tracks, dpa) in enumerate(
        zip(one.conditional, one.journal.calls("decode_tracks"), one.journal.calls("dpa"), strict=True)
    ):
        dt = -GRID[step] if reading == "x0" else GRID[step + 1] - GRID[step]
        z = mjd.inputs["z_motion"] + dt * mjd.output.motion
        assert torch.allclose(tracks.inputs["z_motion"], z, atol=1e-5)
        assert dpa.inputs["coarse"] is tracks.output[0] and dpa.inputs["found"] is tracks.output[1]
        assert (
            torch.equal(dpa.inputs["anchors"], BATCH.normalized_anchors)
            and dpa.inputs["point_mask"] is BATCH.point_mask
        )


def test_tracks_take_eulers_steps_and_their_estimate_becomes_guidance():
    one = run()
    calls = one.journal.calls("dpa")
    for step, call in enumerate(calls):
        M, v = call.inputs["M_t"], call.output
        after = calls[step + 1].inputs["M_t"] if step + 1 < len(calls) else one.sample.M
        assert torch.allclose(after, M + (GRID[step + 1] - GRID[step]) * v, atol=1e-5)
        if step + 1 < len(calls):
            assert torch.allclose(one.journal.calls("encode_guidance")[step].inputs["M"], M - GRID[step] * v, atol=1e-5)


@pytest.mark.parametrize("z_image", [None, torch.rand(B, V, CODER.channels, 1, *LATENT[1:])])
def test_the_first_frame_is_the_images_before_in_and_after_every_step(z_image):
    one = run() if z_image is None else Run(z_image=z_image)
    for call in one.journal.calls("mjd"):
        assert torch.equal(call.inputs["z_video"][:, :, :, :1], one.z_image)
        assert torch.equal(call.inputs["z_image"], one.z_image)
        assert not torch.equal(call.inputs["z_motion"][:, :, :, :1], one.z_image)
    assert torch.equal(one.sample.z_video[:, :, :, :1], one.z_image)


@pytest.mark.parametrize("no_text", [True, False])
@pytest.mark.parametrize("reading", READINGS)
def test_true_velocities_lead_to_the_truth(reading, no_text):
    one = run(reading, true=True, no_text=no_text)
    assert torch.allclose(one.sample.z_video, BATCH.z_video, atol=1e-5)
    assert torch.allclose(one.sample.z_motion, BATCH.z_motion, atol=1e-5)
    assert torch.allclose(one.sample.M, one.M, atol=1e-5)
    assert torch.equal(one.sample.s, BATCH.s)
    assert (
        one.journal.calls("decode_tracks")[-1].output[1].float().mean() > 0.8
    )  # at t = 0 both readings see the drawn truth
    for call in one.journal.calls("encode_guidance"):  # from the first step on, what guides is the drawn truth
        assert ((call.output - BATCH.z_motion).abs() > 1e-3).float().mean() < 0.01


@pytest.mark.parametrize(
    ("cycle", "looped"),
    [
        (CycleConfig(), [0, 1, 2, 3, 4, 5]),
        (CycleConfig(loop_every=2), [0, 2, 4, 5]),
        (CycleConfig(loop_every=3), [0, 3, 5]),
        (CycleConfig(loop_start=0.5), [4, 5]),  # of 1, .91, .8, .67, .5, .29
        (CycleConfig(loop_start=0.0), [5]),
    ],
)
def test_the_loop_runs_on_the_configured_steps_and_the_last(cycle, looped):
    flow = dataclasses.replace(FLOW, steps=6)
    journal = Run(cycle, flow, no_text=False).journal
    guidance, tracks, seen = iter(journal.calls("encode_guidance")), iter(journal.calls("decode_tracks")), []
    expected, coarse = torch.zeros_like(BATCH.z_motion), None
    for step, (mjd, dpa) in enumerate(zip(journal.calls("mjd"), journal.calls("dpa"), strict=True)):
        assert torch.equal(mjd.inputs["guidance"], expected)  # without the loop guidance stays
        if step in looped:
            coarse = next(tracks).output
            expected = expected if step == 5 else next(guidance).output
            seen.append(step)
        if coarse is None:  # and DPA goes on with the last coarse tracks, at first with none
            assert not dpa.inputs["found"].any() and not dpa.inputs["coarse"].any()
        else:
            assert dpa.inputs["coarse"] is coarse[0] and dpa.inputs["found"] is coarse[1]
    assert seen == looped and not [*guidance, *tracks]


def test_without_the_cycle_mjd_is_never_guided():
    journal = Run(CycleConfig(guidance=False)).journal
    assert not journal.calls("encode_guidance") and len(journal.calls("decode_tracks")) == FLOW.steps
    assert not any(call.inputs["guidance"].any() for call in journal.calls("mjd"))


def test_a_seed_is_a_sample():
    one, same, other = run(), Run(), Run(seed=1)
    for name in one.sample._fields:
        assert torch.equal(getattr(one.sample, name), getattr(same.sample, name))
    assert not torch.equal(one.sample.M, other.sample.M)
    noises = [one.journal[0].inputs["z_video"][:, :, :, 1:], one.journal[0].inputs["z_motion"], one.start["points"]]
    for noise in noises:  # of unit variance, and each view's own
        assert noise.std().item() == pytest.approx(1.0, abs=0.1) and not torch.equal(noise[:, 0], noise[:, 1])
    assert not torch.equal(noises[0], noises[1][:, :, :, 1:])


@pytest.mark.parametrize("diverged", ["mjd", "dpa"])
def test_models_that_have_diverged_are_refused(diverged, monkeypatch):
    finite = getattr(Run, diverged)

    def velocities(self, *given):
        v = finite(self, *given)
        return v * torch.nan if diverged == "dpa" else (v[0], v[1] * torch.nan, v[2])

    monkeypatch.setattr(Run, diverged, velocities)
    with pytest.raises(FloatingPointError, match="M contains NaN" if diverged == "dpa" else "z_motion contains NaN"):
        Run()


@pytest.mark.parametrize("missing", ["track_codec", "anchors"])
def test_the_loop_needs_the_codec_and_the_anchors(missing):
    conditions = Conditions(
        BATCH.z_video[:, :, :, :1], BATCH.text, None, BATCH.normalized_anchors, None, (N, LATENT[0])
    )
    arguments = {"dpa": object(), "track_codec": object(), "conditions": conditions}
    changed = {"conditions": conditions._replace(anchors=None)} if missing == "anchors" else {missing: None}
    with pytest.raises(ValueError, match="give all for the closed loop, the last two or none for open loop"):
        sample(mjd=None, flow=FLOW, cycle=CYCLE, generator=torch.Generator(), **arguments | changed)


@pytest.mark.parametrize("name", ["z_image", "text", "no_text"])
def test_conditions_with_nan_are_refused_before_sampling(name):
    conditions = Conditions(
        torch.zeros(1, V, 3, 1, 2, 2), torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), None, None, (N, 3)
    )
    conditions = conditions._replace(**{name: getattr(conditions, name) * torch.nan})
    with pytest.raises(FloatingPointError, match=f"^{name} contains NaN or infinity: the encoding"):
        sample(None, None, conditions, None, FLOW, CYCLE, torch.Generator())


def test_nothing_is_recorded_for_gradients():
    assert not any(call.has_gradients for call in run().journal)


def test_points_are_sampled_as_many_as_there_are_anchors():
    assert run().sample.M.shape == (B, V, N, K, 3)


def test_the_sampler_fits_a_screen():
    source = inspect.getsource(sample)
    assert len(source.splitlines()) <= 60
    assert all(f"# Eq. {number}" in source for number in (2, 3, 4))
