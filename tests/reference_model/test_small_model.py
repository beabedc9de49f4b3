"""The options of small models: clean latents as differences, the first guidance, corrections of tracks, and iterations that train one network."""

import dataclasses

import pytest
import torch
from recording_models import Journal, RecordingMJD
from tiny_loop import FoldingCoder, K, N, tiny_batch, tiny_config, tiny_models, tiny_noise

from hoibench.geometry.pseudo_video import read_back
from reference_model.config import CycleConfig
from reference_model.cycle.batch import select_points
from reference_model.cycle.losses import alignment_losses, diffusion_losses
from reference_model.cycle.track_codec import Autoencoders, build_baseline, encode_first_guidance
from reference_model.cycle.warmup_step import warmup_step
from reference_model.dpa.model import DiffusionPointsAligner, interpolate_gaps
from reference_model.mjd.model import Baseline, MultiViewJointDiffusion
from reference_model.model import SyncMV4D
from reference_model.rectified_flow import LEAST_TIME, clean, interpolate, velocity_from_clean
from reference_model.training.config import TrainingConfig, TrainingStage

CODER = FoldingCoder()
BATCH = tiny_batch(CODER)
T = torch.tensor([0.3, 0.7])


def small_config(**cycle):
    """The tiny model with the options of micro."""
    config = tiny_config(CODER.channels, cycle=CycleConfig(first_guidance="anchors", **cycle))
    return dataclasses.replace(
        config,
        mjd=dataclasses.replace(config.mjd, predicts="clean", residual=True),
        dpa=dataclasses.replace(config.dpa, predicts="corrections"),
        flow=dataclasses.replace(config.flow, error_of="clean"),
    )


def track_codec(config=None):
    return SyncMV4D(config or small_config()).build_track_codec(BATCH, CODER)


@pytest.mark.parametrize("t", [1.0, 0.5, LEAST_TIME])
def test_velocities_lead_to_the_predicted_clean_data(t):
    z_t, z_0 = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(clean(z_t, velocity_from_clean(z_t, z_0, t), t), z_0, atol=1e-6)


def test_near_the_data_the_clean_estimate_moves_towards_the_prediction_in_proportion_to_time():
    z_t, z_0 = torch.ones(1, 3), torch.zeros(1, 3)
    assert torch.allclose(clean(z_t, velocity_from_clean(z_t, z_0, 0.01), 0.01), torch.full((1, 3), 0.8))


def test_a_new_residual_model_predicts_the_held_image_and_the_guidance():
    model, guidance = MultiViewJointDiffusion(small_config().mjd), BATCH.z_motion - 1
    baseline = Baseline(BATCH.z_video + 1, torch.rand(2, 3))
    z_image = BATCH.z_video[:, :, :, :1]
    output = model(BATCH.z_video, BATCH.z_motion, z_image, BATCH.text, T, guidance, baseline=baseline)
    assert torch.allclose(clean(BATCH.z_video, output.video, T), baseline.z_video, atol=1e-5)
    assert torch.allclose(clean(BATCH.z_motion, output.motion, T), guidance, atol=1e-5)
    assert torch.equal(output.s, baseline.depth[..., None].expand(-1, -1, 2))
    with pytest.raises(ValueError, match="give it as baseline"):
        model(BATCH.z_video, BATCH.z_motion, z_image, BATCH.text, T, guidance)


def test_the_baseline_shows_the_reference_image_in_every_frame_and_has_the_depth_of_the_scene():
    baseline = build_baseline(BATCH.z_video[:, :, :, :1], N, CODER, BATCH.cameras, track_codec().scene_frame)
    image = CODER.decode(BATCH.z_video[1, 2, :, :1])
    assert torch.allclose(CODER.decode(baseline.z_video[1, 2]), image.expand(N, -1, -1, -1), atol=1e-6)
    assert torch.allclose(
        baseline.depth, torch.full((2, 3), 0.9), atol=1e-3
    )  # cameras are 0.9 m from the point that they face


def test_the_first_guidance_shows_the_points_at_their_anchors_at_the_middle_depth():
    codec = track_codec()
    z = encode_first_guidance(codec, BATCH.z_motion, small_config().cycle, N, torch.tensor([False, True]))
    assert not z[0].any()
    reading = read_back(CODER.decode(z[1, 0]), BATCH.anchors[1, 0], torch.tensor([1.0, 2.0]), radius=1)
    assert reading.found.all()
    assert (reading.pixels - BATCH.anchors[1, 0]).abs().max() <= 0.5 + 1e-4  # half a pixel per axis
    assert torch.allclose(reading.depth, torch.full((N, K), 1.5), atol=1e-4)
    assert not encode_first_guidance(None, BATCH.z_motion, small_config().cycle, N).any()
    assert not encode_first_guidance(codec, BATCH.z_motion, CycleConfig(), N).any()


def test_the_warm_up_may_guide_by_true_tracks_with_a_share_of_their_motion():
    codec = track_codec()
    noise = tiny_noise(BATCH, small_config(), guided=True)
    noise = noise._replace(t=T, motion_share=torch.tensor([0.0, 1.0]), jitter=torch.zeros_like(noise.jitter))
    journal = Journal()

    def velocities(z_video, z_motion, text, t):
        return z_video, z_motion, BATCH.s

    mjd = RecordingMJD(journal, velocities)
    settings = small_config().flow, small_config(warmup_guidance=True).cycle, "mjd"
    warmup_step(mjd, None, BATCH, noise, codec, *settings)
    M = codec.scene_frame.from_world(BATCH.world)
    guidance = journal.calls("mjd")[0].inputs["guidance"]
    assert torch.allclose(guidance[1], codec.encode_guidance(M)[1], atol=1e-5)
    assert torch.allclose(guidance[0], codec.encode_guidance(M[:, :, :1].expand_as(M))[0], atol=1e-5)


def test_gaps_of_coarse_tracks_are_interpolated_in_time():
    g = torch.Generator().manual_seed(0)
    coarse, found = torch.randn(2, 3, 7, 5, 3, generator=g), torch.rand(2, 3, 7, 5, generator=g) < 0.4
    filled = interpolate_gaps(coarse.masked_fill(~found[..., None], 0.0), found)
    for b, v, k in torch.cartesian_prod(*map(torch.arange, (2, 3, 5))).tolist():
        frames = found[b, v, :, k].nonzero()[:, 0].tolist()
        for n in range(7):
            before, after = [f for f in frames if f <= n], [f for f in frames if f >= n]
            if not frames:
                expected = torch.zeros(3)
            elif not before or not after:
                expected = coarse[b, v, (before[-1:] or after[:1])[0], k]
            else:
                low, high = before[-1], after[0]
                share = (n - low) / max(high - low, 1)
                expected = coarse[b, v, low, k] * (1 - share) + coarse[b, v, high, k] * share
            assert torch.allclose(filled[b, v, n, k], expected, atol=1e-6)


def test_a_new_model_of_corrections_predicts_the_coarse_tracks():
    model = DiffusionPointsAligner(small_config().dpa)
    M = torch.randn(2, 3, N, K, 3)
    found = torch.ones(2, 3, N, K, dtype=torch.bool)
    v = model(M, M + 1, found, BATCH.normalized_anchors, T)
    assert torch.allclose(clean(M, v, T), M + 1, atol=1e-5)


def test_the_error_of_clean_data_is_that_of_velocities_times_t():
    noise = tiny_noise(BATCH, small_config(), guided=False)._replace(t=T)
    z_video, z_motion = (
        interpolate(*each, T) for each in ((BATCH.z_video, noise.video), (BATCH.z_motion, noise.motion))
    )
    model, _ = tiny_models(tiny_config(CODER.channels))
    with torch.no_grad():
        output = model(z_video, z_motion, BATCH.z_video[:, :, :, :1], BATCH.text, T)
    one = BATCH._replace(**{name: getattr(BATCH, name)[:1] for name in ("z_video", "z_motion", "s")})
    first = noise._replace(video=noise.video[:1], motion=noise.motion[:1], t=T[:1])
    output = output._replace(video=output.video[:1], motion=output.motion[:1], s=output.s[:1])
    losses = {
        kind: diffusion_losses(output, z_video[:1], z_motion[:1], one, first, kind) for kind in ("velocity", "clean")
    }
    for name, factor in (("video", T[0] ** 2), ("motion", T[0] ** 2), ("depth_range", 1.0)):
        assert torch.allclose(losses["clean"][name], factor * losses["velocity"][name], rtol=1e-4)


def test_the_loss_on_some_points_is_that_of_a_batch_of_these_points():
    config = small_config(loss_points=4)
    noise = tiny_noise(BATCH, config, guided=False)
    assert noise.loss_points.shape == (2, 3, 4)
    assert all(len(set(row.tolist())) == 4 for row in noise.loss_points.flatten(0, 1))
    assert BATCH.point_mask.gather(2, noise.loss_points).all()  # padding is not chosen where there are enough points
    M = BATCH.world
    anchors, mask, selected = select_points(noise.loss_points, BATCH.anchors, BATCH.point_mask, M)
    for b in range(2):
        for v in range(3):
            rows = noise.loss_points[b, v]
            assert torch.equal(selected[b, v], M[b, v][:, rows]) and torch.equal(
                anchors[b, v], BATCH.anchors[b, v][rows]
            )
    losses = [alignment_losses(each * 0, each, each + 1, each, T, m, "clean") for each, m in ((selected, mask),)]
    assert torch.allclose(losses[0]["points"], torch.tensor(1.0))


@pytest.mark.parametrize(
    ("objective", "networks"), [("warmup", "mjd"), ("warmup", "dpa"), ("joint", "mjd"), ("joint", "dpa")]
)
def test_an_iteration_may_train_one_network(objective, networks):
    config = small_config()
    model = SyncMV4D(config, *tiny_models(config))
    noise = tiny_noise(BATCH, config, guided=objective == "joint")
    losses = model(BATCH, noise, Autoencoders(CODER, CODER), objective, networks)
    sum(losses[:5]).backward()
    trained, other = (model.mjd, model.dpa) if networks == "mjd" else (model.dpa, model.mjd)
    assert all(each.grad is None for each in other.parameters())
    assert sum(float(each.grad.abs().sum()) for each in trained.parameters() if each.grad is not None) > 0
    assert (losses.points > 0) == (networks == "dpa")


def test_the_learning_rate_starts_anew_in_each_stage():
    stages = (TrainingStage("one", "warmup", 10, (32, 64)), TrainingStage("two", "joint", 4, (32, 64), lr_scale=0.5))
    config = TrainingConfig(stages=stages, lr_warmup_iterations=2, lr_schedule="cosine")
    factors = [config.lr_factor(iteration) for iteration in range(14)]
    assert factors[0] == pytest.approx(0.5) and factors[9] == pytest.approx(0.55 - 0.45 * 0.951, abs=1e-3)
    assert factors[10] == pytest.approx(0.25) and factors[12] == pytest.approx(0.5 * 0.55)
