"""Axes of symmetry are found for bowls in any position, and for nothing that only looks the same after some rotations."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.axial_symmetry import find_symmetry_axis
from hoibench.datasets.synthetic.catalogue import OBJECT_BUILDERS, make_object

ROUND = {"bowl", "cup", "helmet", "plate"}


@pytest.mark.parametrize("category", OBJECT_BUILDERS)
def test_the_synthetic_objects_with_an_axis(category):
    solid = make_object(category, 3).solid
    axis = find_symmetry_axis(solid.vertices, solid.faces)
    if category in ROUND:
        assert abs(axis[2]) == pytest.approx(1.0, abs=1e-6)
    else:
        assert axis is None


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_axis_moves_with_the_mesh_and_survives_the_noise_of_a_scan(seed):
    rng = np.random.default_rng(seed)
    solid = make_object("bowl", 2).solid
    placed = trimesh.transformations.random_rotation_matrix(rng.random(3))[:3, :3]
    noisy = solid.vertices + rng.normal(0.0, 0.0003, solid.vertices.shape)
    axis = find_symmetry_axis(noisy @ placed.T + rng.uniform(-1, 1, 3), solid.faces)
    assert abs(axis @ placed[:, 2]) > np.cos(np.radians(2))


@pytest.mark.parametrize("sides", [3, 4, 6, 8])
def test_a_rod_with_few_sides_has_no_axis(sides):
    rod = trimesh.creation.cylinder(radius=0.01, height=0.1, sections=sides)
    assert find_symmetry_axis(rod.vertices, rod.faces) is None


def test_a_round_rod_has_an_axis_and_one_with_a_handle_has_none():
    rod = trimesh.creation.cylinder(radius=0.04, height=0.1, sections=48)
    np.testing.assert_allclose(np.abs(find_symmetry_axis(rod.vertices, rod.faces)), [0, 0, 1], atol=1e-6)
    handle = trimesh.creation.box(
        (0.03, 0.01, 0.05), transform=trimesh.transformations.translation_matrix([0.05, 0, 0])
    )
    mug = trimesh.util.concatenate([rod, handle])
    assert find_symmetry_axis(mug.vertices, mug.faces) is None
