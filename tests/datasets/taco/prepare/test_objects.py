"""Meshes and poses of objects in a folder of prepared clips: each mesh is stored once, and both agree with the tracks."""

import shutil

import numpy as np
import pytest
import taco_faults
import trimesh
from taco_prepare import prepare_views
from taco_tree import SHORT, TRIO

from hoibench.clip import PARTS, Prediction
from hoibench.datasets.decimation import hausdorff_distance
from hoibench.datasets.taco.prepare.format import read_sequence_record, tracks_folder
from hoibench.datasets.taco.prepare.objects import (
    MAX_MESH_ERROR,
    MeshRecord,
    ensure_objects,
    mesh_folder,
    poses_folder,
)
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.evaluation.measure import measure
from hoibench.evaluation.request import project_anchors
from hoibench.geometry import to_camera
from hoibench.metric_card import all_cards
from hoibench.metrics.case import Case
from hoibench.store import write_bytes
from hoibench.store.verified_folder import CorruptFolder, read_metadata

KEY = SHORT.key
RECIPE = Recipe("clip", "raw")
ONE, TWO, _ = TRIO
TOOL, TARGET = PARTS.index("tool"), PARTS.index("target")


def prepare(taco, out, *serials):
    return prepare_views(Recording(taco.download, taco.download.sequence(KEY)), out, serials, RECIPE)


def read(out):
    return read_prepared_clip(out, KEY, RECIPE, (ONE,))


def prepare_objects(taco, out):
    """Write the objects of a changed download beside the tracks of the unchanged one."""
    ensure_objects(Recording(taco.download, taco.download.sequence(KEY)), out, read_sequence_record(out, KEY))


@pytest.fixture
def bare(whole, tmp_path):
    """A copy of ``whole`` without meshes and poses, as an older version wrote it."""
    out = shutil.copytree(whole, tmp_path / "bare")
    shutil.rmtree(out / "objects")
    shutil.rmtree(poses_folder(out, KEY))
    return out


@pytest.fixture(scope="module")
def whole(prepared_views):
    """SHORT, prepared for two cameras."""
    return prepared_views("taco-short", (KEY, (ONE, TWO), RECIPE))


@pytest.fixture
def out(whole, tmp_path):
    """A copy of it, to break."""
    return shutil.copytree(whole, tmp_path / "out")


def instances(taco):
    return Recording(taco.download, taco.download.sequence(KEY)).instances


def densify(taco, instance):
    """Replace an object's mesh by one of the same shape with 40 times the faces, and return (vertices, faces) in metres."""
    path = taco.download.mesh(instance)
    mesh = trimesh.load_mesh(path, process=False)
    while len(mesh.faces) < 10_000:
        mesh = mesh.subdivide()
    write_bytes(path, mesh.export(file_type="obj").encode())
    return np.asarray(mesh.vertices) / 100.0, np.asarray(mesh.faces)


def test_tracked_points_are_on_the_placed_meshes(whole):
    clip = read(whole)
    assert [rigid.part for rigid in clip.objects] == [TOOL, TARGET]
    for rigid in clip.objects:
        for frame in (0, 10, 48):
            placed = trimesh.Trimesh(rigid.vertices @ rigid.R[frame].T + rigid.t[frame], rigid.faces, process=False)
            points = clip.tracks.world[frame, clip.tracks.part == rigid.part].astype(float)
            corners = np.linalg.norm(placed.vertices - points[:, None], axis=-1)
            assert corners.min(axis=1).max() < 0.05
            on_plane = np.abs(((points[:, None] - placed.triangles_center) * placed.face_normals).sum(axis=-1))
            assert on_plane.min(axis=1).max() < 1e-5


def test_facts_of_the_stored_meshes(whole, taco):
    tool, target = (read_metadata(mesh_folder(whole, id), MeshRecord) for id in instances(taco))
    for record in (tool, target):
        assert record.faces == record.source_faces < 1000
        assert record.error == 0.0
    assert tool.symmetry_axis is None  # a spoon
    assert target.symmetry_axis is None  # a pan
    assert all(rigid.watertight and rigid.symmetry_axis is None for rigid in read(whole).objects)


def test_a_dense_mesh_is_decimated_to_the_stated_error(taco_copy, bare):
    tool, _ = instances(taco_copy)
    dense = densify(taco_copy, tool)
    prepare_objects(taco_copy, bare)
    record = read_metadata(mesh_folder(bare, tool), MeshRecord)
    rigid, _ = read(bare).objects
    assert record.faces == len(rigid.faces) < record.source_faces / 2
    assert record.source_faces == len(dense[1])
    assert 0.0 < record.error <= MAX_MESH_ERROR
    assert record.error == pytest.approx(hausdorff_distance(dense, (rigid.vertices, rigid.faces)), rel=1e-4)
    assert rigid.watertight


def test_sequences_share_the_mesh_of_an_object(whole, taco):
    folders = sorted(path.name for path in (whole / "objects").iterdir())
    assert folders == sorted(instances(taco))
    assert not list(poses_folder(whole, KEY).glob("mesh*"))


def test_a_folder_without_meshes_gives_no_objects_until_it_is_prepared_again(taco, whole, bare):
    assert read(bare).load_objects is None
    assert read(bare).objects is None
    assert prepare(taco, bare, ONE, TWO) == ()
    for found, expected in zip(read(bare).objects, read(whole).objects, strict=True):
        np.testing.assert_array_equal(found.vertices, expected.vertices)
        np.testing.assert_array_equal(found.R, expected.R)


@pytest.mark.parametrize("folder", [lambda out, id: mesh_folder(out, id), lambda out, id: poses_folder(out, KEY)])
def test_a_damaged_file_is_named_and_written_again(taco, out, folder):
    tool, _ = instances(taco)
    broken = folder(out, tool)
    (path,) = broken.glob("*.npz")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptFolder, match=rf"{path.name} has .* expected .*: run hoibench data prepare again"):
        read(out)
    prepare(taco, out, ONE, TWO)
    assert len(read(out).objects) == 2


def test_a_missing_mesh_is_named_and_written_again(taco, out):
    tool, _ = instances(taco)
    shutil.rmtree(mesh_folder(out, tool))
    with pytest.raises(FileNotFoundError, match=f"objects/{tool} is missing: run hoibench data prepare"):
        read(out)
    prepare(taco, out, ONE, TWO)
    assert len(read(out).objects) == 2


def test_another_mesh_of_the_same_id_is_an_error(taco_copy, out):
    """As if another sequence with this object had been prepared from another download."""
    tool, _ = instances(taco_copy)
    densify(taco_copy, tool)
    shutil.rmtree(poses_folder(out, KEY))
    with pytest.raises(
        ValueError, match=rf"objects/{tool} was prepared from another mesh than .*{tool}_cm\.obj: delete"
    ):
        prepare_objects(taco_copy, out)
    shutil.rmtree(mesh_folder(out, tool))
    prepare_objects(taco_copy, out)
    assert len(read(out).objects) == 2


def test_a_mesh_that_was_brought_from_elsewhere_is_an_error(out, taco):
    tool, target = instances(taco)
    shutil.rmtree(mesh_folder(out, tool))
    shutil.copytree(mesh_folder(out, target), mesh_folder(out, tool))
    with pytest.raises(ValueError, match=rf"objects/{tool} was prepared from other files .* delete"):
        read(out)


def test_poses_of_other_annotations_are_an_error(taco_copy, out):
    taco_faults.nan_pose_rows(taco_copy, KEY, "target", (60,))
    shutil.rmtree(tracks_folder(out, KEY))
    shutil.rmtree(out / KEY / RECIPE.name)
    with pytest.raises(ValueError, match=rf"{KEY}/objects was prepared from other annotations .* delete"):
        prepare(taco_copy, out, ONE)


def test_an_unrecorded_pose_repeats_the_nearest_one(taco_copy, whole, bare):
    taco_faults.nan_pose_rows(taco_copy, KEY, "tool", (4, 8))  # the clip's frames 1 and 2
    prepare_objects(taco_copy, bare)
    tool, untouched = read(bare).objects[0], read(whole).objects[0]
    for name in ("R", "t"):
        found, true = getattr(tool, name), getattr(untouched, name)
        np.testing.assert_array_equal(found[[1, 2]], true[[0, 3]])
        np.testing.assert_array_equal(np.delete(found, (1, 2), axis=0), np.delete(true, (1, 2), axis=0))


def test_an_object_without_any_pose_in_the_clip_is_left_out(taco_copy, bare):
    taco_faults.nan_pose_rows(taco_copy, KEY, "tool", (0, *range(2, SHORT.frames)))  # row 1 is no frame of the clip
    prepare_objects(taco_copy, bare)
    assert [rigid.part for rigid in read(bare).objects] == [TARGET]


def test_metrics_of_the_interaction_apply_only_with_meshes(whole, bare):
    """The truth of a prepared clip is perfect; a folder of an older version says what to do."""
    for metric in ("contact_accuracy@1", "contact_depth_error@1", "object_rotation@1"):
        card = all_cards()[metric]
        found = list(measure(Case(true_prediction(read(whole)), read(whole)), card))[-1]
        assert (found.status, found.value) == ("ok", pytest.approx(float(metric.startswith("contact_acc")), abs=1e-4))
        (missing,) = measure(Case(true_prediction(read(bare)), read(bare)), card)
        assert missing.status == "not_applicable"
        assert "run `hoibench data prepare` again" in missing.reason


def true_prediction(clip):
    world = clip.tracks.world.astype(float)
    tracks = np.stack([to_camera(world, camera.R, camera.t) for camera in clip.cameras]).astype(np.float32)
    return Prediction(tracks=tracks, anchors=project_anchors(clip))
