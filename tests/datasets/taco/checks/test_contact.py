"""Distances of points from a moving object, against a formula and a plain loop."""

import numpy as np
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hoibench.datasets.taco.checks.contact import Contact, signed_distances
from hoibench.datasets.taco.checks.timing import _SHIFTS, slip_by_shift
from hoibench.datasets.taco.hand.hand_pose import HandPose

HALF = np.array([0.05, 0.03, 0.02])


def random_poses(rng, count):
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=rng).as_matrix()
    poses[:, :3, 3] = rng.normal(0.0, 1.0, (count, 3))
    return poses


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_distances_from_a_box_are_those_of_its_formula(seed):
    rng = np.random.default_rng(seed)
    box, poses = trimesh.creation.box(2.0 * HALF), random_poses(rng, 3)
    local = rng.uniform(-0.1, 0.1, (3, 40, 3))
    world = local @ poses[:, :3, :3].mT + poses[:, None, :3, 3]
    world[1, 5], poses[2] = np.nan, np.nan
    over = np.abs(local) - HALF
    expected = np.linalg.norm(np.maximum(over, 0.0), axis=-1) + np.minimum(over.max(axis=-1), 0.0)
    expected[1, 5], expected[2] = np.nan, np.nan
    np.testing.assert_allclose(signed_distances(world, box.vertices, box.faces, poses), expected, atol=1e-9)


def test_contact_that_is_unknown_neither_fits_nor_is_wrong():
    gap, depth, moving = np.zeros(16), np.zeros(16), np.ones(16, dtype=bool)
    unknown = np.full(16, np.nan)
    cases = [
        (Contact(gap, depth, moving), (True, False)),
        (Contact(gap + 0.02, depth, moving), (False, True)),
        (Contact(gap, depth + 0.02, ~moving), (False, True)),
        (Contact(gap, depth, ~moving), (False, False)),
        (Contact(unknown, unknown, moving), (False, False)),
    ]
    for contact, expected in cases:
        assert (contact.fits(0.012), contact.is_wrong(0.012)) == expected


def test_slip_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    steps = Rotation.from_rotvec(np.cumsum(rng.normal(0.0, 0.05, (60, 3)), axis=0)).as_matrix()
    poses = np.tile(np.eye(4), (60, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = steps, np.cumsum(rng.normal(0.0, 0.01, (60, 3)), axis=0)
    hand = HandPose(
        "right", rng.normal(0.0, 0.3, (60, 48)), np.cumsum(rng.normal(0.0, 0.01, (60, 3)), axis=0), np.zeros(10)
    )
    expected = []
    for shift in _SHIFTS:
        slips = []
        for frame in range(6, 60 - 6 - 5):
            corners = [poses[row, :3, :3] @ (0.08 * np.eye(3)) + poses[row, :3, 3:] for row in (frame, frame + 5)]
            moved = np.subtract(*corners).T
            if np.mean(np.linalg.norm(moved, axis=1)) <= 0.008:
                continue
            seen = []
            for row in (frame, frame + 5):
                R = Rotation.from_rotvec(hand.theta[row + shift, :3]).as_matrix()
                points = [hand.trans[row + shift] + 0.08 * axis for axis in (np.zeros(3), *R.T)]
                seen.append([poses[row, :3, :3].T @ (point - poses[row, :3, 3]) for point in points])
            slips.append(np.mean(np.linalg.norm(np.subtract(*seen), axis=1)))
        expected.append(np.mean(slips))
    np.testing.assert_allclose(slip_by_shift(hand, poses), expected, rtol=1e-6)
