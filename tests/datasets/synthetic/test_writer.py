import pickle

import numpy as np
import torch

from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO, build_camera
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.world_frames import world_frame
from hoibench.datasets.synthetic.writer import render_videos, write_annotations, zoomed_cameras
from hoibench.datasets.taco.download import HANDS, TacoDownload
from hoibench.datasets.taco.hand.hand_pose import SIDES, read_hand
from hoibench.datasets.taco.objects import read_mesh, read_poses
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import choose_points, track_points
from hoibench.geometry import to_camera
from hoibench.video import probe


def write_again(tmp_path, written, key):
    from hoibench.datasets.synthetic.writer import write_sequence

    write_sequence(tmp_path, key, written.scene, (*TRIO, SOURCE_CAMERA), written.seed)
    return type(written)(written.scene, tmp_path, key, written.seed)


def test_object_poses_and_meshes_round_trip(written):
    frame, sequence = world_frame("20231002"), written.recording.sequence
    for role, item in (("tool", written.scene.tool), ("target", written.scene.target)):
        object_id, path = sequence.find_object_pose(role)
        assert object_id == item.id
        assert np.load(path).dtype == np.float32
        np.testing.assert_allclose(read_poses(path), frame.transform_poses(item.poses), atol=1e-6)
        vertices, faces = read_mesh(written.recording.download.mesh(object_id))
        np.testing.assert_allclose(vertices, item.mesh.vertices, atol=1e-8)
        np.testing.assert_array_equal(faces, item.mesh.faces)


def test_cameras_round_trip_with_exact_K(written):
    frame = world_frame("20231002")
    cameras = zoomed_cameras(build_textured_surfaces(written.scene, written.seed), (*TRIO, SOURCE_CAMERA))
    for serial, ours in cameras.items():
        back = written.recording.camera(serial, (128, 192))
        np.testing.assert_array_equal(back.K, ours.K)
        np.testing.assert_allclose(back.R, frame.transform_camera(ours).R, atol=1e-15)
        np.testing.assert_allclose(back.t, frame.transform_camera(ours).t, atol=1e-15)


def test_hands_round_trip(written):
    frame = world_frame("20231002")
    for side in SIDES:
        back, ours = read_hand(written.recording.sequence.folder(HANDS), side), written.scene.hands[side]
        np.testing.assert_allclose(back.trans, frame.transform_points(ours.trans), atol=1e-6)
        np.testing.assert_allclose(back.theta[:, :3], frame.transform_axis_angles(ours.theta[:, :3]), atol=1e-6)
        np.testing.assert_allclose(back.theta[:, 3:], ours.theta[:, 3:], atol=1e-6)
        np.testing.assert_allclose(back.betas, ours.betas, atol=1e-6)


def test_torch_reads_the_hand_files(written):
    folder = written.recording.sequence.folder(HANDS)
    for side in SIDES:
        with (folder / f"{side}_hand.pkl").open("rb") as stream:
            frames = pickle.load(stream)
        back = read_hand(folder, side)
        assert sorted(frames) == [f"{i + 1:05d}" for i in range(written.scene.frames)]
        for i, frame in enumerate(frames[key] for key in sorted(frames)):
            assert isinstance(frame["hand_pose"], torch.Tensor)
            assert frame["hand_pose"].shape == (48,)
            # A view into the storage of all frames, as in the real files.
            assert frame["hand_pose"].untyped_storage().nbytes() == 4 * 48 * written.scene.frames
            np.testing.assert_array_equal(frame["hand_pose"].numpy(), back.theta[i].astype(np.float32))
            np.testing.assert_array_equal(frame["hand_trans"].numpy(), back.trans[i].astype(np.float32))


def test_videos_round_trip_nearly(written):
    surfaces = build_textured_surfaces(written.scene, written.seed)
    videos = render_videos(surfaces, zoomed_cameras(surfaces, TRIO))
    clip = written.load()
    for view, serial in enumerate(TRIO):
        error = (clip.video[view].astype(float) - videos[serial]) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > 34.0
        info = probe(written.recording.sequence.video(serial))
        assert (info.fps, info.frames, info.height, info.width) == (8.0, written.scene.frames, 128, 192)


def test_the_same_scene_gives_the_same_bytes(written, tmp_path):
    again = write_again(tmp_path, written, written.key)
    ours = {path.relative_to(written.root): path.read_bytes() for path in written.root.rglob("*") if path.is_file()}
    theirs = {path.relative_to(again.root): path.read_bytes() for path in again.root.rglob("*") if path.is_file()}
    assert ours == theirs


def test_another_date_moves_the_world_but_changes_no_image(written, clip, tmp_path):
    moved = write_again(tmp_path, written, "20230927_001").load()
    assert np.abs(moved.tracks.world - clip.tracks.world).max() > 0.3
    np.testing.assert_array_equal(moved.video, clip.video)
    # Rounding may move a candidate across a voxel's edge; all other choices are the same.
    same = np.isclose(_in_first_camera(moved), _in_first_camera(clip), atol=2e-6).all(axis=(0, 2))
    assert same.mean() > 0.9
    surfaces = written.recording.surfaces, _recording(tmp_path, moved.id).surfaces
    points = choose_points(surfaces[0], 64)
    first, second = (track_points(points, s)[0] for s in surfaces)
    for a, b in zip(clip.cameras, moved.cameras, strict=True):
        np.testing.assert_allclose(to_camera(first, a.R, a.t), to_camera(second, b.R, b.t), atol=2e-6)


def _in_first_camera(clip):
    return to_camera(clip.tracks.world, clip.cameras[0].R, clip.cameras[0].t)


def _recording(root, key):
    tree = TacoDownload(root)
    return Recording(tree, tree.sequence(key))


def test_annotations_are_written_without_videos_for_cameras_of_any_size(written, tmp_path):
    """K and imgSize may have another size than the videos."""
    cameras = {serial: build_camera(serial, (376, 512)) for serial in TRIO}
    frame = world_frame("20230927")
    write_annotations(tmp_path, "20231102_070", written.scene, cameras, frame)
    assert not list(tmp_path.rglob("*.mp4"))
    recording = _recording(tmp_path, "20231102_070")
    assert recording.frames == written.scene.frames
    for serial, camera in cameras.items():
        back = recording.camera(serial, (376, 512))
        np.testing.assert_array_equal(back.K, camera.K)
        np.testing.assert_allclose(back.R, camera.R, atol=1e-15)
        half = recording.camera(serial, (188, 256))
        np.testing.assert_allclose(half.K[:2, :2], camera.K[:2, :2] / 2)
        np.testing.assert_allclose(half.K[:2, 2] + 0.5, (camera.K[:2, 2] + 0.5) / 2)  # pixel areas stay aligned
