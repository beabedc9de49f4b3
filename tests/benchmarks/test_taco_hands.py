"""A released hand file, 209 frames in 9 MB: unpickled by torch, by the restricted reader, and from the cache; and MANO's layer on its frames."""

import pickle

import numpy as np
import pytest
import torch
from mano_files import write_mano

from hoibench.datasets.taco.hand.hand_pose import read_hand
from hoibench.datasets.taco.hand.mano import Mano
from hoibench.datasets.taco.hand.mano_file import read_mano

FRAMES = 209


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    poses, places = torch.randn(FRAMES, 48), torch.randn(FRAMES, 3)
    frames = {f"{i + 1:05d}": {"hand_pose": poses[i], "hand_trans": places[i]} for i in range(FRAMES)}
    (tmp_path / "left_hand.pkl").write_bytes(pickle.dumps(frames, protocol=4))
    return tmp_path


@pytest.mark.benchmark(group="a hand of 209 frames")
def test_torch(benchmark, folder):
    data = benchmark(lambda: pickle.loads((folder / "left_hand.pkl").read_bytes()))
    expected = np.stack([frame["hand_pose"].numpy() for frame in data.values()])
    np.testing.assert_array_equal(read_hand(folder, "left").theta, expected)


@pytest.mark.benchmark(group="a hand of 209 frames")
def test_restricted(benchmark, folder, monkeypatch):
    monkeypatch.setattr("hoibench.datasets.taco.hand.hand_cache._LARGE", 1 << 30)
    assert benchmark(read_hand, folder, "left").theta.shape == (FRAMES, 48)


@pytest.mark.benchmark(group="a hand of 209 frames")
def test_cached(benchmark, folder):
    read_hand(folder, "left")
    assert benchmark(read_hand, folder, "left").theta.shape == (FRAMES, 48)


@pytest.mark.benchmark(group="mano")
@pytest.mark.parametrize("frames", [49, FRAMES])
def test_layer(benchmark, folder, frames):
    layer = Mano(read_mano(write_mano(folder, "left")))
    hand = read_hand(folder, "left")
    benchmark(layer.vertices, hand.theta[:frames], hand.trans[:frames], hand.betas)


@pytest.mark.benchmark(group="mano")
def test_reading_a_model(benchmark, folder):
    benchmark(read_mano, write_mano(folder, "left"))
