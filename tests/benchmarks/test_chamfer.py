"""Chamfer's nearest neighbours at the protocol's size (3 views x 49 frames x 1600 points, both directions), compared with torch.cdist."""

import numpy as np
import pytest
import torch

from hoibench.metrics.cloud_distance import nearest_distances
from reference_model.generation.farthest_points import sample_farthest_points

CLOUDS, POINTS = 3 * 49, 1600


def surface(rng):
    """Return points of a wavy sheet 1.5 m from the camera, similar to hands and objects."""
    xy = rng.uniform(-0.2, 0.2, (POINTS, 2))
    return np.column_stack([xy, 1.5 + 0.05 * np.sin(20 * xy).sum(axis=1)])


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    clouds = [surface(rng) for _ in range(CLOUDS)]
    return [(cloud + rng.normal(0.0, 0.005, cloud.shape), cloud) for cloud in clouds]


def by_torch(pairs):
    halves = []
    for pred, truth in pairs:
        table = torch.cdist(
            torch.from_numpy(pred), torch.from_numpy(truth), compute_mode="donot_use_mm_for_euclid_dist"
        )
        halves.append((table.amin(dim=1).numpy(), table.amin(dim=0).numpy()))
    return halves


def by_trees(pairs):
    return [(nearest_distances(pred, truth), nearest_distances(truth, pred)) for pred, truth in pairs]


@pytest.mark.benchmark(group="chamfer: 147 x 1600^2, both directions")
def test_trees(benchmark, pairs):
    halves = benchmark(by_trees, pairs)
    for fast, slow in zip(halves[:3], by_torch(pairs[:3]), strict=True):
        assert fast[0] == pytest.approx(slow[0], rel=1e-9)
        assert fast[1] == pytest.approx(slow[1], rel=1e-9)


@pytest.mark.benchmark(group="chamfer: 147 x 1600^2, both directions")
def test_torch_cdist(benchmark, pairs):
    benchmark.pedantic(by_torch, (pairs,), rounds=3)


@pytest.mark.benchmark(group="farthest-point sampling of 147 clouds of 1600 points")
@pytest.mark.parametrize("kept", [800, 1500])
def test_sample_farthest_points(benchmark, pairs, kept):
    clouds = [truth for _, truth in pairs]
    thinned = benchmark.pedantic(sample_farthest_points, (clouds, [kept] * CLOUDS), rounds=3)
    assert all(len(cloud) == kept for cloud in thinned)
