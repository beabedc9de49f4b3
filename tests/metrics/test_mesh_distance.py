"""Distances to meshes: equal to plain loops, invariant to rigid motions, right for overlapping and open meshes."""

import numpy as np
import plain_mesh
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hoibench.metrics.mesh_distance import distance_to_mesh, signed_distance_to_mesh

seeds = st.integers(0, 2**32 - 1)


def arrays(mesh):
    return np.array(mesh.vertices), np.array(mesh.faces)


def two_boxes():
    """Two closed boxes that overlap: x from -1 to 1 and from 0 to 2."""
    left, right = (trimesh.creation.box((2.0, 1.0, 1.0)) for _ in range(2))
    right.apply_translation((1.0, 0.0, 0.0))
    return arrays(trimesh.util.concatenate([left, right]))


MESHES = {
    "sphere": arrays(trimesh.creation.icosphere(subdivisions=1)),
    "torus": arrays(trimesh.creation.torus(1.0, 0.4, 12, 8)),
    "cup": arrays(trimesh.creation.annulus(0.5, 1.0, 1.5, 12)),
    "two boxes": two_boxes(),
}


@pytest.mark.parametrize("name", MESHES)
@settings(max_examples=5)
@given(seed=seeds)
def test_equal_to_plain_loops(name, seed):
    vertices, faces = MESHES[name]
    points = np.random.default_rng(seed).uniform(-1.6, 2.2, (12, 3))
    plain = [plain_mesh.signed_distance(p, vertices, faces) for p in points]
    assert signed_distance_to_mesh(points, vertices, faces) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    assert distance_to_mesh(points, vertices, faces) == pytest.approx(np.abs(plain), rel=1e-9, abs=1e-12)


@settings(max_examples=25)
@given(seed=seeds)
def test_rigid_motions_and_the_order_of_triangles_and_points_change_nothing(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = MESHES["torus"]
    points = rng.uniform(-1.6, 1.6, (40, 3))
    found = signed_distance_to_mesh(points, vertices, faces)
    R, t, order = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3), rng.permutation(40)
    moved = signed_distance_to_mesh(points[order] @ R.T + t, vertices @ R.T + t, rng.permutation(faces))
    assert moved == pytest.approx(found[order], abs=1e-9)


@settings(max_examples=25)
@given(seed=seeds)
def test_the_distance_changes_by_at_most_the_length_of_a_step(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1.6, 1.6, (2, 40, 3))
    first, second = (signed_distance_to_mesh(p, *MESHES["cup"]) for p in points)
    assert (np.abs(first - second) <= np.linalg.norm(points[0] - points[1], axis=-1) + 1e-12).all()


def test_a_box_by_hand_and_the_triangles_inside_overlapping_boxes():
    box = arrays(trimesh.creation.box((2.0, 2.0, 2.0)))
    points = np.array([[0.0, 0, 0], [0.9, 0, 0], [1.5, 0, 0], [2.0, 2, 1]])
    assert signed_distance_to_mesh(points, *box) == pytest.approx([-1.0, -0.1, 0.5, np.sqrt(2)])
    inside = np.array([[0.5, 0.0, 0.0], [0.1, 0, 0]])  # in both boxes; the wall of the right box at x = 0 counts
    assert signed_distance_to_mesh(inside, *two_boxes()) == pytest.approx([-0.5, -0.1])


def test_an_open_mesh_has_distances_without_a_sign():
    box = trimesh.creation.box((2.0, 2.0, 2.0))
    vertices, faces = arrays(box)
    without_lid = faces[(vertices[faces, 2] < 1).any(axis=1)]
    assert len(without_lid) == 10
    points = np.array([[0.0, 0, 0.5], [0.0, 0, 1.5]])
    assert distance_to_mesh(points, vertices, without_lid) == pytest.approx([1.0, np.hypot(1.0, 0.5)])


@settings(max_examples=25)
@given(seed=seeds, limit=st.floats(0.0, 1.0))
def test_a_limit_leaves_out_far_points_only(seed, limit):
    points = np.random.default_rng(seed).uniform(-3, 3, (40, 3))
    for function in (distance_to_mesh, signed_distance_to_mesh):
        full, limited = function(points, *MESHES["torus"]), function(points, *MESHES["torus"], limit=limit)
        assert limited.tolist() == np.where(full > limit, np.inf, full).tolist()


def test_no_points_no_triangles_and_wrong_shapes():
    vertices, faces = MESHES["sphere"]
    assert signed_distance_to_mesh(np.zeros((0, 3)), vertices, faces).shape == (0,)
    with pytest.raises(ValueError, match="faces is empty"):
        distance_to_mesh(np.zeros((1, 3)), vertices, faces[:0])
    with pytest.raises(ValueError, match=r"points has shape \(3,\), expected \(P, 3\)"):
        distance_to_mesh(np.zeros(3), vertices, faces)
