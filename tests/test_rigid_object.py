"""Rigid objects are checked, know whether they are closed, and are written and read back."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import Clip, View
from hoibench.object_file import read_objects, write_objects
from hoibench.rigid_object import OBJECT_PARTS, RigidObject
from hoibench.store import read_npz, write_npz

TOOL, TARGET = OBJECT_PARTS
N = 4


def box(part=TOOL, **changes):
    mesh = trimesh.creation.box((0.1, 0.06, 0.02))
    R = trimesh.transformations.rotation_matrix(0.4, (1, 2, 3))[:3, :3]
    shape = {"vertices": np.asarray(mesh.vertices), "faces": np.asarray(mesh.faces)}
    return RigidObject(part, **shape | {"R": np.stack([R] * N), "t": np.zeros((N, 3))} | changes)


def clip_with(*objects, frames=N):
    return Clip("c", None, None, (View("a"),), (), 8.0, frames, (8, 8), load_objects=lambda: objects)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": 0}, "part is 0, expected 2 or 3: tool or target"),
        ({"vertices": np.zeros((8, 2))}, r"tool: vertices has shape \(8, 2\), expected \(M, 3\)"),
        ({"vertices": np.full((8, 3), np.nan)}, "tool: vertices has NaN or infinity"),
        ({"faces": np.zeros((0, 3), int)}, "tool: faces needs indices from 0 to 7"),
        ({"faces": np.full((2, 3), 8)}, "tool: faces needs indices from 0 to 7"),
        ({"faces": np.zeros((2, 3))}, "tool: faces has dtype float64, expected integers"),
        ({"R": np.stack([np.diag([1.0, 1, -1])] * N)}, "tool: R is not a rotation"),
        ({"R": np.stack([2.0 * np.eye(3)] * N)}, "tool: R is not a rotation"),
        ({"t": np.zeros((N + 1, 3))}, "numbers of frames differ"),
        ({"symmetry_axis": np.array([0.0, 0, 2])}, "symmetry_axis is .*, expected a unit vector"),
    ],
)
def test_an_impossible_object_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        box(**changes)


def test_objects_must_fit_the_clip():
    with pytest.raises(ValueError, match=r"clip c: R of the target has shape \(4, 3, 3\), expected \(5, 3, 3\)"):
        _ = clip_with(box(TARGET), frames=N + 1).objects
    with pytest.raises(ValueError, match="clip c: two of its objects are the tool"):
        _ = clip_with(box(), box()).objects
    clip = clip_with(box(), box(TARGET))
    assert clip.objects is clip.objects and [rigid.name for rigid in clip.objects] == ["tool", "target"]
    assert replace(clip, load_objects=None).objects is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11), st.integers(0, 2**32 - 1))
def test_a_mesh_is_watertight_unless_a_face_is_missing_or_turned(face, seed):
    """However its faces and vertices are ordered, and where the object is; trimesh agrees."""
    closed = box()
    rng = np.random.default_rng(seed)
    order, places = rng.permutation(12), rng.permutation(8)
    faces = places[closed.faces[order]]
    vertices = np.empty_like(closed.vertices)
    vertices[places] = closed.vertices + rng.normal(size=3)
    assert replace(closed, vertices=vertices, faces=faces).watertight
    turned = faces.copy()
    turned[face] = turned[face, ::-1]
    for other in (np.delete(faces, face, axis=0), turned, faces[:, ::-1]):
        assert not replace(closed, vertices=vertices, faces=other).watertight
        assert not trimesh.Trimesh(vertices, other).is_volume or trimesh.Trimesh(vertices, other).volume < 0


def test_repeated_vertices_do_not_open_a_mesh():
    whole = box()
    seams = replace(whole, vertices=whole.vertices[whole.faces].reshape(-1, 3), faces=np.arange(36).reshape(12, 3))
    assert seams.watertight


def test_objects_round_trip(tmp_path):
    objects = (box(), box(TARGET, symmetry_axis=np.array([0.0, 0, 1])))
    write_objects(tmp_path / "objects.npz", objects)
    back = read_objects(tmp_path / "objects.npz")
    assert [vars(rigid).keys() for rigid in back] == [vars(rigid).keys() for rigid in objects]
    for ours, theirs in zip(objects, back, strict=True):
        for name, value in vars(ours).items():
            assert (value is None and getattr(theirs, name) is None) or np.array_equal(value, getattr(theirs, name))
    arrays = read_npz(tmp_path / "objects.npz")
    for damaged in (arrays | {"tool.R": arrays["tool.R"][:, :2]}, arrays | {"tool.x": arrays["tool.R"]}):
        write_npz(tmp_path / "objects.npz", damaged)
        with pytest.raises(ValueError, match=r"objects\.npz: "):
            read_objects(tmp_path / "objects.npz")
