import pickle

import numpy as np
import pytest
import torch

from hoibench.datasets.taco.hands import read_hand

FRAMES = 12


def write(folder, side="left", clones=False, shape=(10,)):
    """Hand files as torch writes them, from the same numbers as TACO's writer would: views of one storage, or clones."""
    poses, places = torch.randn(FRAMES, 48), torch.randn(FRAMES, 3)
    keep = torch.clone if clones else (lambda tensor: tensor)
    frames = {
        f"{i + 1:05d}": {"hand_pose": keep(poses[i]), "hand_trans": keep(places[i])} for i in reversed(range(FRAMES))
    }
    (folder / f"{side}_hand.pkl").write_bytes(pickle.dumps(frames, protocol=4))
    betas = torch.randn(*shape)
    (folder / f"{side}_hand_shape.pkl").write_bytes(pickle.dumps({"hand_shape": betas}, protocol=4))
    return poses.numpy(), places.numpy(), betas.numpy().reshape(10)


@pytest.mark.parametrize("clones", [False, True], ids=["views", "clones"])
@pytest.mark.parametrize("shape", [(10,), (1, 10)])
def test_hands_are_read_in_the_order_of_their_keys(tmp_path, clones, shape):
    poses, places, betas = write(tmp_path, clones=clones, shape=shape)
    hand = read_hand(tmp_path, "left")
    np.testing.assert_array_equal(hand.theta, poses)
    np.testing.assert_array_equal(hand.trans, places)
    np.testing.assert_array_equal(hand.betas, betas)


def test_a_missing_shape_is_the_mean_shape(tmp_path):
    write(tmp_path)
    (tmp_path / "left_hand_shape.pkl").unlink()
    np.testing.assert_array_equal(read_hand(tmp_path, "left").betas, np.zeros(10))


def test_a_missing_hand_says_what_to_download(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"right_hand\.pkl is missing: download Hand_Poses\.zip"):
        read_hand(tmp_path, "right")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "holds no dict of frames"),
        ([1], "holds no dict of frames"),
        ({"00001": {"hand_pose": torch.zeros(47), "hand_trans": torch.zeros(3)}}, r"hand_pose has shape \(47,\)"),
        ({"00001": {"hand_pose": torch.zeros(48)}}, "hand_trans has shape None"),
        ({"00001": 3}, "'00001': hand_pose"),
    ],
)
def test_a_broken_file_is_named(tmp_path, value, message):
    (tmp_path / "left_hand.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(ValueError, match=rf"left_hand\.pkl.*{message}"):
        read_hand(tmp_path, "left")
