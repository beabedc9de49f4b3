"""Decimation: fewer faces within the allowed error, closed meshes stay closed, and what cannot be decimated is returned as it is."""

import igl
import numpy as np
import pytest
import trimesh

from hoibench.datasets.decimation import decimate, hausdorff_distance


def scan(subdivisions=4):
    """A closed mesh like a scanned bowl: an ellipsoid of 6 x 6 x 3 cm with ripples of a tenth of a millimetre, (vertices, faces)."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = sphere.vertices * [0.06, 0.06, 0.03]
    return vertices * (1.0 + 0.002 * np.sin(vertices @ [400.0, 300.0, 500.0]))[:, None], sphere.faces


@pytest.fixture(scope="module")
def dense():
    return scan()


@pytest.mark.parametrize("allowed", [1e-3, 0.25e-3])
def test_a_dense_mesh_gets_fewer_faces_within_the_error(dense, allowed):
    vertices, faces = dense
    mesh = decimate(vertices, faces, allowed)
    assert len(mesh.faces) < len(faces) / 2
    assert 0.0 < mesh.error <= allowed
    assert mesh.error == hausdorff_distance(dense, (mesh.vertices, mesh.faces))
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).is_volume
    # Distances of points anywhere differ by no more.
    points = np.random.default_rng(0).uniform(-0.07, 0.07, (300, 3))
    before, after = (
        np.sqrt(igl.point_mesh_squared_distance(points, v, f.astype(np.int64))[0])
        for v, f in (dense, (mesh.vertices, mesh.faces))
    )
    assert np.abs(before - after).max() <= allowed


def test_a_smaller_error_keeps_more_faces(dense):
    fine, coarse = (decimate(*dense, allowed) for allowed in (0.1e-3, 1e-3))
    assert len(fine.faces) > len(coarse.faces)


def test_an_impossible_error_keeps_the_mesh(dense):
    mesh = decimate(*dense, 0.0)
    np.testing.assert_array_equal(mesh.vertices, dense[0])
    np.testing.assert_array_equal(mesh.faces, dense[1])
    assert mesh.error == 0.0


def test_a_small_mesh_is_kept_without_its_loose_vertices():
    vertices, faces = scan(2)
    mesh = decimate(np.vstack([[[9.0, 9.0, 9.0]], vertices]), faces + 1, 1e-3)
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, faces)


def test_an_open_mesh_stays_open_and_near(dense):
    vertices, faces = dense
    lower = faces[(vertices[faces][:, :, 2] < 0.0).all(axis=1)]
    mesh = decimate(vertices, lower, 0.5e-3)
    assert len(mesh.faces) < len(lower) / 2
    assert mesh.error <= 0.5e-3
    assert mesh.vertices[:, 2].max() < 1e-3


def test_a_mesh_with_three_faces_at_an_edge_is_kept(dense):
    vertices, faces = dense
    fin = np.vstack([faces, [*faces[0, :2], 500]])
    assert len(decimate(vertices, fin, 1e-3).faces) == len(fin)


def test_the_distance_of_two_meshes_counts_what_only_one_has(dense):
    vertices, faces = dense
    upper = faces[(vertices[faces][:, :, 2] > 0.0).all(axis=1)]
    assert hausdorff_distance(dense, (vertices, upper)) == hausdorff_distance((vertices, upper), dense) > 0.025
    shifted = vertices + np.array([0.0, 0.0, 0.001])
    assert hausdorff_distance(dense, (shifted, faces)) == pytest.approx(0.001, rel=0.01)


def test_a_mesh_of_pieces_that_cannot_be_decimated_is_returned_as_it_is():
    triangle = np.array([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0], [0.0, 0.01, 0.0]])
    vertices = (triangle + np.arange(1500)[:, None, None] * 0.001).reshape(-1, 3)
    mesh = decimate(vertices, np.arange(len(vertices)).reshape(-1, 3), 0.25e-3)
    assert len(mesh.faces) == 1500
