"""ALIKED's fast network against kornia's, and a clip matched frame by frame against pair by pair; random weights, equal results."""

from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def networks():
    from kornia.feature import ALIKED

    from hoibench.metrics.backbones.aliked_network import FastAliked

    torch.manual_seed(0)
    plain, fast = (network("aliked-n16", 2048, -1.0) for network in (ALIKED, FastAliked))
    fast.load_state_dict(plain.state_dict())
    return {
        name: network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        for name, network in (("hoibench", fast), ("kornia", plain))
    }


@pytest.mark.benchmark(group="ALIKED, one image of 512x768, one thread")
@pytest.mark.parametrize("name", ["hoibench", "kornia"])
def test_aliked(benchmark, networks, name):
    image = torch.rand(1, 3, 512, 768).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        (found,) = benchmark.pedantic(networks[name], (image,), rounds=5, warmup_rounds=1)
        (other,) = networks["kornia"](image)
    points, wanted = (np.unique(each.keypoints.numpy().round(), axis=0) for each in (found, other))
    assert len(points) == len(wanted) and np.mean(np.isin(points @ [1, 1e4], wanted @ [1, 1e4])) > 0.99


@pytest.fixture(scope="module")
def video():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    views = [[image[2 * n : 2 * n + 128, 4 * v : 4 * v + 192] for n in range(25)] for v in range(4)]
    return np.array(views)


def frame_by_frame(video, matcher):
    from hoibench.metrics.view_matches import match_views

    return [pair.raw for pair in match_views(video, matcher)]


def pair_by_pair(video, matcher):
    """Describe both images of each pair of views on each frame, as a plain loop over pairs does."""
    counts = []
    for i, j in combinations(range(len(video)), 2):
        features = [matcher.describe([video[i, n], video[j, n]]) for n in range(4, video.shape[1], 4)]
        counts.append(tuple(len(matcher.match([pair])[0]) for pair in features))
    return counts


@pytest.mark.benchmark(group="matches of 4 views on 6 frames of 128x192, SIFT")
@pytest.mark.parametrize("run", [frame_by_frame, pair_by_pair])
def test_matching(benchmark, video, run):
    from hoibench.metrics.backbones.sift import Sift

    found = benchmark.pedantic(run, (video, Sift()), rounds=3, warmup_rounds=1)
    assert found == pair_by_pair(video, Sift())
    assert np.sum(found) > 1000
