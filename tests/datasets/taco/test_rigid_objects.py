import numpy as np
import pytest

from hoibench.datasets.surfaces import Surface
from hoibench.datasets.synthetic.catalogue import make_object
from hoibench.datasets.taco.rigid_objects import build_objects
from hoibench.datasets.taco.tracks import choose_points, track_points
from hoibench.rigid_object import OBJECT_PARTS


def test_posed_meshes_are_where_the_surfaces_are(written):
    """Also in frames without a recorded pose, where tracks repeat the nearest recorded position."""
    hand, _, tool, target = written.recording.surfaces
    gone = np.zeros(len(tool.vertices), dtype=bool)
    gone[1:3] = True
    tool = Surface(tool.part, np.where(gone[:, None, None], np.nan, tool.vertices), tool.faces, tool.rest, tool.poses)
    objects = build_objects((hand, tool, target))
    assert tuple(rigid.part for rigid in objects) == OBJECT_PARTS
    for rigid, surface in zip(objects, (tool, target), strict=True):
        assert rigid.watertight
        points = choose_points([surface], 64)
        world, _ = track_points(points, [surface])
        corners = rigid.vertices[rigid.faces[points.face]]
        local = np.einsum("ki,kij->kj", points.weights, corners)
        placed = np.einsum("nij,kj->nki", rigid.R, local) + rigid.t[:, None]
        assert placed == pytest.approx(world, abs=1e-6)
    nowhere = Surface(tool.part, np.full_like(tool.vertices, np.nan), tool.faces, tool.rest, tool.poses)
    assert [rigid.part for rigid in build_objects((nowhere, target))] == [OBJECT_PARTS[1]]


def test_a_bowl_has_its_axis():
    solid = make_object("bowl", 0).solid
    (bowl,) = build_objects(
        [Surface(OBJECT_PARTS[1], solid.vertices[None], solid.faces, solid.vertices, np.eye(4)[None])]
    )
    assert abs(bowl.symmetry_axis) == pytest.approx([0, 0, 1], abs=1e-6)
