import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.taco.hand.proxy_hand import FACES, joints, vertices
from hoibench.datasets.taco.hand.proxy_mesh import build_template
from hoibench.datasets.taco.hand.skinning import rotations

SIDES = ["left", "right"]
ZERO = np.zeros(10)
REST = np.zeros((1, 48))
ORIGIN = np.zeros((1, 3))
small = st.floats(-1.2, 1.2)


def _theta(seed, frames=2):
    return np.random.default_rng(seed).normal(0.0, 0.4, (frames, 48))


@pytest.mark.parametrize("side", SIDES)
def test_sizes_and_topology_are_manos(side):
    faces = FACES[side]
    assert faces.shape == (1538, 3)
    assert faces.dtype == np.int32
    assert np.array_equal(np.unique(faces), np.arange(778))
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)
    _, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert (uses == 1).sum() == 16
    assert (uses == 2).sum() == len(uses) - 16
    assert vertices(side, _theta(0), np.zeros((2, 3)), ZERO).shape == (2, 778, 3)
    assert joints(side, _theta(0), np.zeros((2, 3)), ZERO).shape == (2, 21, 3)


@pytest.mark.parametrize("side", SIDES)
def test_faces_point_outwards(side):
    v = vertices(side, REST, ORIGIN, ZERO)[0]
    v = v - v.mean(axis=0)
    a, b, c = (v[FACES[side][:, k]] for k in range(3))
    assert (a * np.cross(b, c)).sum() / 6.0 > 1e-4  # about 0.2 litres


def test_rest_pose_lies_along_manos_axes():
    j = joints("right", REST, ORIGIN, ZERO)[0]
    assert j[0] == pytest.approx([0, 0, 0])
    assert (j[[8, 12, 16, 20], 0] < -0.13).all()  # fingertips along -x
    assert j[4, 2] > 0.05  # thumb to +z
    assert (np.diff(j[[5, 9, 13, 17], 2]) < 0).all()  # index to little
    v = vertices("right", REST, ORIGIN, ZERO)[0]
    assert 0.16 < np.ptp(v[:, 0]) < 0.23


def test_fingertips_are_the_vertices_that_mano_users_know():
    theta = _theta(3)
    j = joints("right", theta, np.zeros((2, 3)), ZERO)
    v = vertices("right", theta, np.zeros((2, 3)), ZERO)
    assert j[:, [4, 8, 12, 16, 20]] == pytest.approx(v[:, [745, 317, 444, 556, 673]])


@pytest.mark.parametrize("side", SIDES)
def test_the_wrist_is_where_trans_says(side):
    trans = np.array([[0.1, -0.2, 0.6], [0.3, 0.4, 0.5]])
    assert joints(side, _theta(1), trans, np.full(10, 0.7))[:, 0] == pytest.approx(trans)


@settings(max_examples=25, deadline=None)
@given(st.lists(small, min_size=3, max_size=3), st.integers(0, 50))
def test_global_rotation_turns_the_hand_about_its_wrist(turn, seed):
    theta = _theta(seed, 1)
    theta[:, :3] = 0.0
    turned = theta.copy()
    turned[:, :3] = turn
    R = rotations(np.array(turn))
    assert vertices("left", turned, ORIGIN, ZERO) == pytest.approx(
        vertices("left", theta, ORIGIN, ZERO) @ R.T, abs=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_left_is_the_mirror_of_right(seed):
    rng = np.random.default_rng(seed)
    theta, betas = _theta(seed, 1), rng.normal(size=10)
    mirrored = (theta.reshape(16, 3) * [1, -1, -1]).reshape(1, 48)
    flip = np.array([-1.0, 1.0, 1.0])
    assert vertices("left", mirrored, ORIGIN, betas) == pytest.approx(
        vertices("right", theta, ORIGIN, betas) * flip, abs=1e-12
    )
    assert joints("left", mirrored, ORIGIN, betas) == pytest.approx(
        joints("right", theta, ORIGIN, betas) * flip, abs=1e-12
    )


@pytest.mark.parametrize(("finger", "tip"), list(enumerate([8, 12, 20, 16, 4])))
def test_pose_order_is_index_middle_little_ring_thumb(finger, tip):
    theta = REST.copy()
    theta[0, 3 + 9 * finger : 6 + 9 * finger] = [0.0, 0.3, 0.8]
    moved = np.linalg.norm(joints("right", theta, ORIGIN, ZERO) - joints("right", REST, ORIGIN, ZERO), axis=2)[0]
    assert moved[tip] > 0.03
    assert moved[[t for t in (4, 8, 12, 16, 20) if t != tip]].max() < 1e-12


def test_bending_a_finger_keeps_its_bones_lengths():
    theta = REST.copy()
    theta[0, 3:12] = [0, 0, 0.9, 0, 0, 0.7, 0, 0, 0.5]
    bones = [np.diff(joints("right", t, ORIGIN, ZERO)[0, 5:8], axis=0) for t in (REST, theta)]
    assert np.linalg.norm(bones[0], axis=1) == pytest.approx(np.linalg.norm(bones[1], axis=1))


def test_betas_change_the_hand_smoothly_and_each_in_its_own_way():
    rest = vertices("right", REST, ORIGIN, ZERO)
    changes = []
    for k in range(10):
        one, half = np.eye(10)[k], 0.5 * np.eye(10)[k]
        full = vertices("right", REST, ORIGIN, one) - rest
        assert vertices("right", REST, ORIGIN, half) - rest == pytest.approx(0.5 * full, abs=1e-12)
        assert 1e-4 < np.abs(full).max() < 0.012
        changes.append(full.ravel())
    assert np.linalg.matrix_rank(np.array(changes), tol=1e-4) == 10
    grown = joints("right", REST, ORIGIN, np.eye(10)[0])
    assert grown == pytest.approx(1.04 * joints("right", REST, ORIGIN, ZERO))


def test_skinning_weights_are_shares_and_the_template_never_changes():
    a, b = build_template(), build_template()
    assert a.weights.min() >= 0.0
    assert a.weights.sum(axis=1) == pytest.approx(1.0)
    assert a.vertices.tobytes() == b.vertices.tobytes()
    assert a.faces.tobytes() == b.faces.tobytes()
