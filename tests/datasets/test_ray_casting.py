import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import Camera
from hoibench.datasets import ray_casting
from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.ray_casting import EmbreeCaster, MovedCaster, build_caster, pixel_rays
from hoibench.geometry import project, to_camera

SEEDS = st.integers(0, 2**32 - 1)


def random_triangles(rng, count=60):
    """Return random triangles of 2 to 20 cm around a point 1 m ahead."""
    centre = rng.normal([0.0, 0.0, 1.0], 0.15, size=(count, 1, 3))
    return centre + rng.normal(scale=0.06, size=(count, 3, 3))


def random_directions(rng, count=400):
    return np.column_stack([rng.uniform(-0.4, 0.4, (count, 2)), np.ones(count)])


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_embree_and_numpy_see_the_same_triangles_at_the_same_depth(seed):
    rng = np.random.default_rng(seed)
    corners, directions, origin = random_triangles(rng), random_directions(rng), rng.normal(scale=0.05, size=3)
    fast, plain = EmbreeCaster(corners).cast(origin, directions), NumpyCaster(corners).cast(origin, directions)
    same = fast.face == plain.face
    assert same.mean() >= 0.995
    both = same & plain.is_hit
    assert plain.is_hit.any()
    np.testing.assert_allclose(fast.depth[both], plain.depth[both], atol=1e-5)
    # The weights of a sliver are ill-conditioned, but the point that they give is not.
    points = [np.einsum("mi,mij->mj", h.weights[both], corners[h.face[both]]) for h in (fast, plain)]
    np.testing.assert_allclose(points[0], points[1], atol=1e-4)
    np.testing.assert_allclose(points[1], origin + directions[both] * plain.depth[both, None], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_embree_and_numpy_agree_on_shadows(seed):
    rng = np.random.default_rng(seed)
    corners, points = random_triangles(rng), rng.normal([0.0, 0.0, 1.0], 0.3, size=(400, 3))
    light = rng.normal(size=3)
    fast, plain = EmbreeCaster(corners).is_blocked(points, light), NumpyCaster(corners).is_blocked(points, light)
    assert plain.any() and not plain.all()
    assert (fast == plain).mean() >= 0.995


@pytest.mark.parametrize("kind", [EmbreeCaster, NumpyCaster])
def test_the_nearest_of_two_walls_is_hit_at_its_depth(kind):
    walls = np.array([[[-9.0, -9.0, z], [9.0, -9.0, z], [0.0, 9.0, z]] for z in (3.0, 2.0)])
    hits = kind(walls).cast(np.zeros(3), np.array([[0.0, 0.0, 1.0], [0.1, -0.2, 1.0], [0.0, 9.0, 1.0]]))
    assert hits.face.tolist() == [1, 1, -1]
    np.testing.assert_allclose(hits.depth, [2.0, 2.0, np.inf], rtol=1e-6)
    np.testing.assert_allclose(hits.weights[0], [0.25, 0.25, 0.5], atol=1e-6)
    assert hits.is_hit.tolist() == [True, True, False]


@pytest.mark.parametrize("kind", [EmbreeCaster, NumpyCaster])
def test_a_floor_that_reaches_behind_the_camera_is_seen(kind):
    floor = np.array([[[-50.0, 1.0, -50.0], [50.0, 1.0, -50.0], [0.0, 1.0, 80.0]]])
    hits = kind(floor).cast(np.zeros(3), np.array([[0.0, 0.5, 1.0], [0.0, 0.1, 1.0], [0.0, -0.5, 1.0]]))
    np.testing.assert_allclose(hits.depth, [2.0, 10.0, np.inf], rtol=1e-5)


@pytest.mark.parametrize("kind", [EmbreeCaster, NumpyCaster])
def test_a_mesh_behind_a_point_does_not_block_it(kind):
    roof = np.array([[[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [0.0, 1.0, 1.0]]])
    below_and_above = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    assert kind(roof).is_blocked(below_and_above, np.array([0.0, 0.0, 1.0])).tolist() == [True, False]


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_moved_mesh_is_hit_at_its_new_place(seed):
    rng = np.random.default_rng(seed)
    corners, directions, origin = random_triangles(rng), random_directions(rng), rng.normal(scale=0.05, size=3)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = R * np.linalg.det(R), rng.normal(size=3)
    still = (corners - pose[:3, 3]) @ pose[:3, :3]
    placed, moved = NumpyCaster(corners), MovedCaster(NumpyCaster(still), pose)
    one, two = placed.cast(origin, directions), moved.cast(origin, directions)
    assert one.is_hit.any()
    assert (one.face == two.face).mean() >= 0.995
    np.testing.assert_allclose(one.depth[one.face == two.face], two.depth[one.face == two.face], atol=1e-6)
    light = rng.normal(size=3)
    points = rng.normal([0.0, 0.0, 1.0], 0.3, size=(200, 3))
    assert (placed.is_blocked(points, light) == moved.is_blocked(points, light)).mean() >= 0.995


def test_an_empty_mesh_is_never_hit():
    rays_ahead = random_directions(np.random.default_rng(0))
    nothing = build_caster(np.zeros((0, 3, 3)))
    assert not nothing.cast(np.zeros(3), rays_ahead).is_hit.any()
    assert not nothing.is_blocked(rays_ahead, np.array([0.0, 0.0, 1.0])).any()


def test_numpy_refuses_rays_all_around():
    with pytest.raises(ValueError, match="half-space"):
        NumpyCaster(random_triangles(np.random.default_rng(0))).cast(
            np.zeros(3), np.array([[0.0, 0.1, 1.0], [0.0, 0.1, -2.0]])
        )


def test_numpy_is_the_fallback_without_embree(monkeypatch):
    corners = random_triangles(np.random.default_rng(0))
    assert isinstance(build_caster(corners), EmbreeCaster)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        ray_casting.importlib.util, "find_spec", lambda name: None if name == "embreex" else found(name)
    )
    assert isinstance(build_caster(corners), NumpyCaster)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 3))
def test_pixel_rays_go_through_their_pixels_and_measure_z(seed, samples):
    rng = np.random.default_rng(seed)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    R *= np.linalg.det(R)
    K = np.array([[90.0, 1.5, 7.0], [0.0, 110.0, 4.0], [0.0, 0.0, 1.0]])
    camera = Camera(K, R, rng.normal(size=3), (9, 13))
    origin, directions = pixel_rays(camera, samples)
    depth = rng.uniform(0.1, 3.0, len(directions))
    in_camera = to_camera(origin + directions * depth[:, None], camera.R, camera.t)
    np.testing.assert_allclose(in_camera[:, 2], depth, rtol=1e-9)
    pixels = project(in_camera, K).reshape(9, samples, 13, samples, 2).mean(axis=(1, 3))
    expected = np.stack(np.meshgrid(np.arange(13.0), np.arange(9.0)), axis=-1)
    np.testing.assert_allclose(pixels, expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_hits_are_those_of_a_cast(seed):
    rng = np.random.default_rng(seed)
    corners, directions, origin = random_triangles(rng), random_directions(rng), rng.normal(scale=0.05, size=3)
    pose = np.eye(4)
    pose[:3, 3] = rng.normal(scale=0.05, size=3)
    embree = EmbreeCaster(corners)
    for caster in (embree, NumpyCaster(corners), MovedCaster(embree, pose)):
        is_hit = caster.cast(origin, directions).is_hit
        assert is_hit.any() and not is_hit.all()
        np.testing.assert_array_equal(caster.hits(origin, directions), is_hit)
