"""Properties of a batch, and the random numbers of one iteration."""

import dataclasses

import pytest
import torch
from tiny_loop import SIZE, B, FoldingCoder, tiny_batch, tiny_config

from reference_model.config import CycleConfig
from reference_model.cycle.batch import sample_noise

BATCH = tiny_batch(FoldingCoder())
CONFIG = tiny_config()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(own=0, shared=0, config=CONFIG, batch=BATCH):
    return sample_noise(batch, config, seeded(own), seeded(shared))


def test_intrinsics_are_focal_lengths_over_the_images_sides():
    height, width = SIZE
    expected = torch.tensor([60.0 / width, 50.0 / height])
    assert torch.allclose(BATCH.intrinsics, expected.expand_as(BATCH.intrinsics))


def test_normalized_anchors_are_0_at_the_left_edge_and_1_at_the_right_edge():
    height, width = SIZE
    corners = torch.tensor([[-0.5, -0.5], [width - 0.5, height - 0.5], [(width - 1) / 2, 0.0]])
    anchors = BATCH._replace(anchors=corners.expand(B, 3, 3, 2)).normalized_anchors
    assert torch.allclose(anchors[0, 0], torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5 / height]]))


def test_all_tensors_of_a_batch_and_its_noise_move():
    for moved in (BATCH.to("meta"), drawn().to("meta")):
        tensors = [each for each in moved if isinstance(each, torch.Tensor)]
        tensors += [each for each in getattr(moved, "cameras", ()) if isinstance(each, torch.Tensor)]
        assert len(tensors) in (8, 10) and all(each.is_meta for each in tensors)
    assert BATCH.to("meta").cameras.size == SIZE and drawn(shared=0).to("meta").guided == drawn(shared=0).guided


def test_noise_differs_between_ranks_and_guided_is_shared():
    one, same, other = drawn(), drawn(), drawn(own=1)
    for name in ("t", "video", "motion", "points", "jitter", "drop_uniform"):
        assert torch.equal(getattr(one, name), getattr(same, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    for seed in range(20):
        assert drawn(own=0, shared=seed).guided == drawn(own=1, shared=seed).guided


def test_all_random_numbers_are_independent():
    """No two of an iteration's numbers are one, across samples, views, frames and points; a sample in which nothing is found aside."""
    noise = drawn()
    found = noise.drop_uniform.flatten(1)
    found = found[found.any(dim=1)]
    for values in (noise.video, noise.motion, noise.points, noise.jitter, found):
        assert values.numel() and len(values.unique()) > 0.99 * values.numel()
    both = torch.cat([noise.video, noise.motion]).flatten()
    assert len(both.unique()) > 0.99 * len(both)
    assert len(torch.cat([noise.points, noise.jitter]).unique()) > 0.99 * 2 * noise.points.numel()


def test_the_shared_generator_decides_guided_only():
    shared, expected = seeded(0), seeded(0)
    sample_noise(BATCH, CONFIG, seeded(0), shared)
    torch.rand((), generator=expected)
    assert torch.equal(shared.get_state(), expected.get_state())


def test_noise_has_the_shapes_of_the_data():
    noise = drawn()
    assert noise.video.shape == noise.motion.shape == BATCH.z_video.shape
    assert noise.points.shape == noise.jitter.shape == BATCH.world.shape
    assert noise.drop_uniform.shape == BATCH.world.shape[:-1] and noise.t.shape == (B,)
    noises = [noise.video, noise.motion, noise.points, noise.jitter]
    assert all(abs(each.mean()) < 0.1 and abs(each.std() - 1) < 0.1 for each in noises)
    assert not torch.equal(noise.video, noise.motion) and not torch.equal(noise.points, noise.jitter)
    assert ((noise.t > 0) & (noise.t <= 1)).all()


def many(config, count=400):
    """Noise of so many samples, in batches of ten, of small shapes; the shared generator goes on from one to the next."""
    small = BATCH._replace(
        s=torch.zeros(10, 3, 2), z_video=torch.zeros(10, 3, 1, 1, 1, 1), world=torch.zeros(10, 3, 2, 5, 3)
    )
    own, shared = seeded(0), seeded(0)
    return [sample_noise(small, config, own, shared) for _ in range(count // 10)], shared


def test_a_tenth_of_samples_has_no_coarse_points_and_the_rest_is_uniform():
    noise, _ = many(CONFIG, 4000)
    drop_uniform = torch.cat([each.drop_uniform for each in noise])
    none = (drop_uniform == 0).all(dim=3).all(dim=2).all(dim=1)
    assert none.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (drop_uniform[~none] > 0.3).float().mean().item() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(("guided", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_the_share_of_guidance_is_as_configured(guided, share):
    noise, _ = many(dataclasses.replace(CONFIG, cycle=CycleConfig(guidance_share=guided)), 4000)
    assert sum(each.guided for each in noise) / len(noise) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)


def test_without_the_cycle_no_iteration_is_guided_and_generators_advance_equally():
    with_cycle, one = many(CONFIG)
    without, other = many(dataclasses.replace(CONFIG, cycle=CycleConfig(guidance=False)))
    assert any(each.guided for each in with_cycle) and not any(each.guided for each in without)
    assert torch.equal(one.get_state(), other.get_state())
    assert torch.equal(with_cycle[-1].points, without[-1].points)
