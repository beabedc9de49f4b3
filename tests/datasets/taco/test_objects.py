import io

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hoibench.datasets.taco.objects import count_pose_rows, place_vertices, read_mesh, read_mesh_once, read_poses


def poses(count=4, seed=0):
    rng = np.random.default_rng(seed)
    out = np.tile(np.eye(4), (count, 1, 1))
    out[:, :3, :3] = Rotation.random(count, random_state=rng).as_matrix()
    out[:, :3, 3] = rng.normal(size=(count, 3))
    return out


def test_meshes_are_in_centimetres_and_keep_their_order(tmp_path):
    path = tmp_path / "001_cm.obj"
    path.write_text("# cube corner\nv 10 0 0\nv 0 20 0\nv 0 0 30\nv 0 0 0\nf 1 2 3\nf 4/1/1 1/2/1 2/3/1\n")
    vertices, faces = read_mesh(path)
    np.testing.assert_allclose(vertices, [[0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.3], [0, 0, 0]])
    np.testing.assert_array_equal(faces, [[0, 1, 2], [3, 0, 1]])


@pytest.mark.parametrize(("scale", "length"), [(0.01, "0.3 cm"), (10.0, "300 cm"), (0.0, "0 cm")])
def test_a_mesh_that_is_not_in_centimetres_is_named(tmp_path, scale, length):
    path = tmp_path / "001_cm.obj"
    path.write_text(f"v {10 * scale} 0 0\nv 0 {20 * scale} 0\nv 0 0 {30 * scale}\nf 1 2 3\n")
    with pytest.raises(ValueError, match=rf"001_cm\.obj: the object is {length} long.*not in centimetres"):
        read_mesh(path)


@pytest.mark.parametrize(("longest", "caught"), [(60.0, True), (12.0, True), (9.0, False)])
def test_millimetres_are_detected_except_for_small_objects(tmp_path, longest, caught):
    """In millimetres an object is ten times as long: beyond a metre if it is over 10 cm; 2 m would let 18 cm pass."""
    path = tmp_path / "001_cm.obj"
    path.write_text(f"v {10 * longest} 0 0\nv 0 5 0\nv 0 0 5\nf 1 2 3\n")
    if caught:
        with pytest.raises(ValueError, match="not in centimetres"):
            read_mesh(path)
    else:
        read_mesh(path)


@pytest.mark.parametrize("longest", [1.5, 60.0, 90.0])
def test_meshes_of_hand_tools_in_centimetres_are_read(tmp_path, longest):
    path = tmp_path / "001_cm.obj"
    path.write_text(f"v {longest} 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\n")
    assert np.ptp(read_mesh(path)[0], axis=0).max() == pytest.approx(longest / 100)


def test_a_missing_mesh_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mesh(tmp_path / "001_cm.obj")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v 1 2 3\n",
        "hello\n",
        "f 1 2 3\n",
        "v 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 9\n",
        "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    ],
)
def test_a_file_without_triangles_is_named(tmp_path, text):
    path = tmp_path / "001_cm.obj"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"001_cm\.obj"):
        read_mesh(path)


def test_poses_are_float64_and_a_missing_row_stays_missing(tmp_path):
    wanted = poses().astype(np.float32)
    wanted[2] = np.nan
    np.save(tmp_path / "tool_001.npy", wanted)
    read = read_poses(tmp_path / "tool_001.npy")
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, wanted)


def test_a_row_with_one_bad_number_is_missing(tmp_path):
    for bad in (np.nan, np.inf):
        wanted = poses()
        wanted[1, 0, 3] = bad
        np.save(tmp_path / "tool_001.npy", wanted)
        read = read_poses(tmp_path / "tool_001.npy")
        assert np.isnan(read[1]).all()
        np.testing.assert_array_equal(np.delete(read, 1, axis=0), np.delete(wanted, 1, axis=0))


def test_poses_of_which_none_was_recorded_are_an_error(tmp_path):
    np.save(tmp_path / "tool_001.npy", np.full((4, 4, 4), np.nan))
    with pytest.raises(ValueError, match=r"tool_001\.npy: none of its 4 rows was recorded"):
        read_poses(tmp_path / "tool_001.npy")


def test_an_npz_file_named_npy_is_named(tmp_path):
    with (tmp_path / "tool_001.npy").open("wb") as stream:
        np.savez(stream, poses())
    with pytest.raises(ValueError, match=r"tool_001\.npy has shape"):
        read_poses(tmp_path / "tool_001.npy")


def broken():
    sheared, mirrored, projective = poses(), poses(), poses()
    sheared[1, 0, 1] += 0.1
    mirrored[1, :3, 0] *= -1
    projective[1, 3] = [0, 0, 1, 1]
    return {"sheared": sheared, "mirrored": mirrored, "projective": projective}


@pytest.mark.parametrize("fault", list(broken()))
def test_a_pose_that_is_not_rigid_is_named_with_its_frame(tmp_path, fault):
    np.save(tmp_path / "tool_001.npy", broken()[fault])
    with pytest.raises(ValueError, match=r"tool_001\.npy: frame 1 is not a rigid pose"):
        read_poses(tmp_path / "tool_001.npy")


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.zeros((0, 4, 4)), np.zeros((3, 3, 4)), np.zeros((2, 4, 4), int)]
)
def test_an_array_of_another_shape_is_named(tmp_path, array):
    np.save(tmp_path / "tool_001.npy", array)
    with pytest.raises(ValueError, match=r"tool_001\.npy has shape"):
        read_poses(tmp_path / "tool_001.npy")


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "tool_001.npy"
    np.save(path, poses())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"tool_001\.npy is not a complete npy file"):
        read_poses(path)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.sampled_from(["<f4", "<f8", ">f4"]), st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_rows_are_counted_without_reading_them(tmp_path_factory, rows, dtype, version):
    path = tmp_path_factory.getbasetemp() / "tool_001.npy"
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.full((rows, 4, 4), np.nan, dtype), version=version)
    path.write_bytes(stream.getvalue())
    assert count_pose_rows(path) == rows
    path.write_bytes(stream.getvalue()[:-1])
    with pytest.raises(ValueError, match=r"tool_001\.npy is not a complete npy file .*unpack Object_Poses\.zip again"):
        count_pose_rows(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"no array at all", b"\x93NUMPY\x09\x00v\x00", b"\x93NUMPY\x01\x00\x02\x00{}"]
)
def test_counting_rows_of_a_file_that_is_not_npy_names_it(tmp_path, data):
    path = tmp_path / "tool_001.npy"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"tool_001\.npy is not a complete npy file"):
        count_pose_rows(path)


def test_counting_rows_of_another_shape_names_the_file(tmp_path):
    path = tmp_path / "tool_001.npy"
    for array in (np.float32(3), np.zeros((4, 4)), np.zeros((0, 4, 4)), np.zeros((2, 3, 4))):
        np.save(path, array)
        with pytest.raises(ValueError, match=r"tool_001\.npy has shape .*expected floating-point \(N, 4, 4\)"):
            count_pose_rows(path)
    with path.open("wb") as archive:
        np.savez(archive, poses())
    with pytest.raises(ValueError, match=r"tool_001\.npy has shape"):
        count_pose_rows(path)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_placing_is_R_v_plus_t(seed):
    rng = np.random.default_rng(seed)
    vertices, pose = rng.normal(size=(5, 3)), poses(3, seed)
    expected = [[p[:3, :3] @ v + p[:3, 3] for v in vertices] for p in pose]
    np.testing.assert_allclose(place_vertices(vertices, pose), expected, atol=1e-12)


@pytest.mark.parametrize("line", ["f 0 1 2", "f 1 2", "f 1", "f 3 2 1 4 5 1 9999"])
def test_a_truncated_or_invalid_face_is_an_error(tmp_path, line):
    path = tmp_path / "001_cm.obj"
    cube = trimesh.creation.box((10, 10, 10))
    path.write_text(trimesh.exchange.obj.export_obj(cube) + f"\n{line}")
    with pytest.raises(ValueError, match=r"001_cm\.obj"):
        read_mesh(path)


@given(share=st.floats(0.05, 0.93))
@settings(max_examples=30, deadline=None)
def test_a_mesh_truncated_anywhere_is_detected(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "001_cm.obj"
    text = trimesh.exchange.obj.export_obj(trimesh.creation.icosphere(2, radius=5.0), include_normals=False)
    path.write_text(text)
    assert len(read_mesh(path)[1]) == 320
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(ValueError, match=r"001_cm\.obj"):
        read_mesh(path)


def test_faces_of_four_corners_are_two_triangles(tmp_path):
    path = tmp_path / "001_cm.obj"
    path.write_text("v 0 0 0\nv 10 0 0\nv 10 10 0\nv 0 10 0\nf 1 2 3 4\n")
    assert len(read_mesh(path)[1]) == 2


def test_a_header_with_a_false_size_allocates_no_memory(tmp_path):
    path = tmp_path / "tool_001.npy"
    np.save(path, poses(2))
    data = path.read_bytes().replace(b"(2, 4, 4), }           ", b"(200000000000, 4, 4), }")
    assert b"200000000000" in data
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"tool_001\.npy is not a complete npy file"):
        read_poses(path)


@pytest.mark.parametrize(("longest", "read"), [(0.99, False), (1.01, True), (99.0, True), (101.0, False)])
def test_an_object_is_from_a_centimetre_to_a_metre_long(tmp_path, longest, read):
    path = tmp_path / "001_cm.obj"
    path.write_text(f"v {longest} 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 2 3\n")
    if read:
        assert len(read_mesh(path)[0]) == 3
    else:
        with pytest.raises(ValueError, match=r"expected 1 to 100 cm: the file is not in centimetres"):
            read_mesh(path)


@pytest.mark.parametrize(("loose", "read"), [(50, True), (51, False)])
def test_up_to_a_twentieth_of_the_vertices_may_be_loose(tmp_path, loose, read):
    path = tmp_path / "001_cm.obj"
    corners = [f"v {10 + i % 7} {i % 5} {i / 20}" for i in range(1000)]
    faces = [f"f {i + 1} {i + 2} {i + 3}" for i in range(998 - loose)]
    path.write_text("\n".join([*corners, *faces]))
    if read:
        assert len(read_mesh(path)[1]) == 998 - loose
    else:
        with pytest.raises(ValueError, match="51 of 1000 vertices belong to no face"):
            read_mesh(path)


@pytest.mark.parametrize(("off", "read"), [(0.98e-4, True), (1.05e-4, False)])
@pytest.mark.parametrize("change", ["sheared", "scaled", "last row"])
def test_a_pose_is_rigid_to_a_ten_thousandth(tmp_path, change, off, read):
    pose = np.eye(4)[None].repeat(2, axis=0)
    if change == "sheared":
        pose[1, 0, 1] = off
    elif change == "scaled":
        pose[1, :3, :3] *= (1 + off) ** (1 / 3)
    else:
        pose[1, 3, 0] = off
    np.save(tmp_path / "tool_001.npy", pose)
    if read:
        np.testing.assert_array_equal(read_poses(tmp_path / "tool_001.npy"), pose)
    else:
        with pytest.raises(ValueError, match="frame 1 is not a rigid pose"):
            read_poses(tmp_path / "tool_001.npy")


def test_a_mesh_is_read_once_until_it_changes(tmp_path):
    path = tmp_path / "001_cm.obj"
    path.write_text("v 0 0 0\nv 9 0 0\nv 0 9 0\nf 1 2 3\n")
    first = read_mesh_once(path)
    assert read_mesh_once(path) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0][0, 0] = 1.0
    path.write_text("v 0 0 0\nv 8 0 0\nv 0 9 0\nv 8 9 0\nf 1 2 3\nf 2 4 3\n")
    assert len(read_mesh_once(path)[1]) == 2
    path.unlink()
    with pytest.raises(FileNotFoundError, match="download Object_Models"):
        read_mesh_once(path)
