import numpy as np
import pytest
import smplx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mano_files import random_model, write_mano
from smplx.utils import Struct

from hoibench.datasets.taco.hand.mano import Mano
from hoibench.datasets.taco.hand.mano_file import read_mano

SIDES = ["left", "right"]
FLAT = pytest.mark.parametrize("flat", [True, False], ids=["flat mean", "mean pose"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mano")
    return {side: read_mano(write_mano(folder, side), side) for side in SIDES}


def theta_of(seed, frames=6, size=1.0):
    """Zeros, single turns, and large angles."""
    theta = np.random.default_rng(seed).normal(0.0, size, (frames, 48))
    theta[0] = 0.0
    theta[1, 3:] = 0.0
    theta[2, :3] = 0.0
    theta[3] *= 4.0
    theta[4, 6:9] = [np.pi, 0.0, 0.0]
    return theta


def by_smplx(side, flat, theta, trans, betas):
    """The same hand by another implementation: smplx, whose output is not about the wrist."""
    layer = smplx.MANO(
        "none",
        is_rhand=side == "right",
        data_struct=Struct(**random_model(side)),
        use_pca=False,
        flat_hand_mean=flat,
        dtype=torch.float64,
    )
    pose = torch.from_numpy(theta)
    with torch.no_grad():
        out = layer(
            betas=torch.from_numpy(betas).expand(len(theta), 10), global_orient=pose[:, :3], hand_pose=pose[:, 3:]
        )
    move = trans[:, None] - out.joints[:, :1].numpy()
    return out.vertices.numpy() + move, out.joints.numpy() + move


@pytest.mark.parametrize("side", SIDES)
@FLAT
@pytest.mark.parametrize("seed", range(3))
def test_the_layer_is_smplxs(files, side, flat, seed):
    rng = np.random.default_rng(seed)
    theta, trans, betas = theta_of(seed), rng.normal(size=(6, 3)), rng.normal(size=10)
    layer = Mano(files[side], flat)
    vertices, joints = by_smplx(side, flat, theta, trans, betas)
    np.testing.assert_allclose(layer.vertices(theta, trans, betas), vertices, rtol=0, atol=1e-6)
    chains = layer.joints(theta, trans, betas)[:, [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3]]
    np.testing.assert_allclose(chains, joints, rtol=0, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(SIDES), st.integers(0, 1000), st.floats(0.0, 3.0))
def test_the_translation_is_where_the_wrist_is(files, side, seed, size):
    rng = np.random.default_rng(seed)
    trans = rng.normal(size=(6, 3))
    joints = Mano(files[side]).joints(theta_of(seed, size=size), trans, rng.normal(size=10))
    np.testing.assert_array_equal(joints[:, 0], trans)


def test_a_turn_of_the_whole_hand_turns_it_about_the_wrist(files):
    layer, trans, betas = Mano(files["right"]), np.array([[0.1, 0.2, 0.3]]), np.ones(10)
    theta = theta_of(5)[5:]
    theta[:, :3] = 0.0
    turned = theta.copy()
    turned[:, :3] = [0.0, 0.0, np.pi / 2]
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    expected = (layer.vertices(theta, trans, betas) - trans) @ quarter.T + trans
    np.testing.assert_allclose(layer.vertices(turned, trans, betas), expected, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_the_tips_are_manopths_vertices(files, side):
    layer, theta, trans = Mano(files[side]), theta_of(1), np.zeros((6, 3))
    middle = 445 if side == "left" else 444
    tips = layer.vertices(theta, trans, np.zeros(10))[:, [745, 317, middle, 556, 673]]
    np.testing.assert_array_equal(layer.joints(theta, trans, np.zeros(10))[:, [4, 8, 12, 16, 20]], tips)


def test_the_flat_hand_is_the_template_and_the_mean_pose_is_not(files):
    file = files["right"]
    rest = [np.zeros((1, 48)), np.zeros((1, 3)), np.zeros(10)]
    wrist = file.J_regressor[0] @ file.v_template
    np.testing.assert_allclose(Mano(file).vertices(*rest)[0], file.v_template - wrist, atol=1e-15)
    mean = Mano(file, flat_hand_mean=False)
    assert np.abs(mean.vertices(*rest)[0] - (file.v_template - wrist)).max() > 0.01
    rest[0][0, 3:] = -file.hands_mean
    np.testing.assert_allclose(mean.vertices(*rest)[0], file.v_template - wrist, atol=1e-15)


def test_left_hands_use_the_shape_directions_of_their_file(files):
    """TACO's layer applies no mirroring fix to them."""
    file, betas = files["left"], np.eye(10)[0]
    rest = np.zeros((1, 48)), np.zeros((1, 3))
    grown = Mano(file).vertices(*rest, betas) - Mano(file).vertices(*rest, np.zeros(10))
    shift = file.shapedirs[:, :, 0] - file.J_regressor[0] @ file.shapedirs[:, :, 0]
    np.testing.assert_allclose(grown[0], shift, atol=1e-15)


def test_unrecorded_rows_stay_nan_and_do_not_change_others(files):
    layer, theta, trans, betas = Mano(files["left"]), theta_of(2), np.ones((6, 3)), np.zeros(10)
    whole = layer.vertices(theta, trans, betas), layer.joints(theta, trans, betas)
    theta[[1, 4]] = np.nan
    trans[[1, 4]] = np.nan
    for part, full in zip((layer.vertices(theta, trans, betas), layer.joints(theta, trans, betas)), whole, strict=True):
        assert np.isnan(part[[1, 4]]).all()
        np.testing.assert_allclose(part[[0, 2, 3, 5]], full[[0, 2, 3, 5]], rtol=0, atol=1e-12)
