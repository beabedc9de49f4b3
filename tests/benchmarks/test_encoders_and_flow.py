"""Networks of video metrics with random weights: RAFT with shared features against torchvision's forward, DINO in batches and one by one."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import timm
import torch
from torchvision.models.optical_flow import raft_large

from hoibench.metrics.backbones.dino import Dino
from hoibench.metrics.backbones.encoders import encode_video
from hoibench.metrics.backbones.raft import Raft

FRAMES = 4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def moving_frames(height, width):
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((height, width + 40, 3)).astype(np.float32), (0, 0), 2.0)
    wide = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([wide[:, 5 * n : 5 * n + width] for n in range(FRAMES)])


@pytest.fixture(scope="module")
def raft():
    torch.manual_seed(0)
    network = raft_large(weights=None, progress=False).eval().requires_grad_(False).to(DEVICE)
    return Raft(network, DEVICE, {}, batch=1)


@pytest.fixture(scope="module")
def frames():
    return moving_frames(128, 192)


@pytest.mark.benchmark(group="RAFT, 3 pairs of 128x192")
def test_hoibench(benchmark, raft, frames):
    flows = benchmark(lambda: list(raft.flows(pairwise(frames))))
    np.testing.assert_allclose(flows, plain_flows(raft, frames), rtol=1e-3, atol=1e-2)


@pytest.mark.benchmark(group="RAFT, 3 pairs of 128x192")
def test_torchvision(benchmark, raft, frames):
    assert benchmark(lambda: plain_flows(raft, frames)).shape == (FRAMES - 1, 128, 192, 2)


@torch.inference_mode()
def plain_flows(raft, frames):
    pixels = 2 * (torch.from_numpy(frames).to(DEVICE).permute(0, 3, 1, 2).float() / 255) - 1
    pairs = (raft.network(a[None], b[None], num_flow_updates=20)[-1] for a, b in pairwise(pixels))
    return torch.cat(list(pairs)).permute(0, 2, 3, 1).cpu().numpy()


@pytest.fixture(scope="module")
def dino():
    torch.manual_seed(0)
    network = timm.create_model("vit_base_patch16_224.dino", pretrained=False)
    return Dino(network.eval().requires_grad_(False).to(DEVICE), DEVICE, {})


@pytest.mark.benchmark(group="DINO, 4 frames of 256x384")
@pytest.mark.parametrize("batch", [1, 4])
def test_batches(benchmark, dino, batch):
    video = moving_frames(256, 384)[None]
    features, _ = benchmark(encode_video, video, dino, batch=batch)
    np.testing.assert_allclose(features, encode_video(video, dino, batch=2)[0], atol=1e-5)
