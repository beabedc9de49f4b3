"""Masks and extents of the parts of a TACO clip, against casting every ray and projecting every vertex: an object of 81,920 faces in one frame."""

import numpy as np
import pytest
import trimesh
from plain_truth import plain_extent, plain_mask

from hoibench.clip import Camera
from hoibench.datasets.surfaces import Surface, map_frames
from hoibench.datasets.taco.crop import Extent
from hoibench.datasets.taco.masks import MaskRenderer

CAMERA = Camera(np.array([[1400.0, 0, 351.5], [0, 1400.0, 239.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (480, 704))


@pytest.fixture(scope="module")
def surfaces():
    sphere = trimesh.creation.icosphere(subdivisions=6)
    rest = sphere.vertices * [0.2, 0.08, 0.1] * np.random.default_rng(0).uniform(0.9, 1.0, (len(sphere.vertices), 1))
    turn = trimesh.transformations.rotation_matrix(0.5, [0.0, 0.0, 1.0], [0.0, 0.0, 1.5])
    turn[2, 3] += 1.5
    surface = Surface(2, (rest @ turn[:3, :3].T + turn[:3, 3])[None], sphere.faces, rest, turn[None])
    plain_mask([surface], 0, CAMERA)  # builds the caster and the hull
    return [surface]


@pytest.mark.benchmark(group="mask of one frame")
@pytest.mark.parametrize("kind", ["hoibench", "plain"])
def test_mask(benchmark, surfaces, kind):
    renderer = MaskRenderer(CAMERA)
    render = (
        (lambda: map_frames(surfaces, [renderer])[0][0])
        if kind == "hoibench"
        else lambda: plain_mask(surfaces, 0, CAMERA)
    )
    assert 0.1 < benchmark(render).mean() < 0.9


@pytest.mark.benchmark(group="extent of one frame")
@pytest.mark.parametrize("kind", ["hoibench", "plain"])
def test_extent(benchmark, surfaces, kind):
    find = Extent.from_surface if kind == "hoibench" else plain_extent
    assert benchmark(find, surfaces[0] if kind == "hoibench" else surfaces, 0, CAMERA).is_visible
