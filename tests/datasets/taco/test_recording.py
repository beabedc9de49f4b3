import numpy as np
import pytest
import taco_faults
from taco_tree import FOUR, MEASURE, POUR, SHORT, TRIO

from hoibench.datasets.surfaces import build_frame_mesh
from hoibench.datasets.taco.calibration import Calibration
from hoibench.datasets.taco.download import MARKER_REMOVED
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.recording import Recording, check_aspect, check_rate
from hoibench.video import VideoHeader, VideoInfo


def record(taco, shoot=SHORT, model=None):
    return Recording(taco.download, taco.download.sequence(shoot.key), model)


def test_surfaces_of_some_frames_equal_those_of_all(taco):
    recording = record(taco)
    assert recording.frames == SHORT.frames
    chosen = recording.surfaces_in([3, 0, 89])
    for few, every in zip(chosen, recording.surfaces, strict=True):
        assert few.part == every.part
        np.testing.assert_array_equal(few.vertices, every.vertices[[3, 0, 89]])
        np.testing.assert_array_equal(few.faces, every.faces)


def test_a_rigid_surface_is_its_rest_under_its_poses(taco):
    for surface in record(taco).surfaces_in([5, 40])[2:]:
        moved = surface.rest @ surface.poses[:, :3, :3].mT + surface.poses[:, None, :3, 3]
        np.testing.assert_allclose(surface.vertices, moved, atol=1e-12)


def test_the_default_hand_model_is_that_of_the_download(taco):
    assert record(taco).hand_model.name == "hoibench-proxy"
    given = ProxyHand()
    assert record(taco, model=given).hand_model is given


def test_files_that_disagree_in_length_are_named_with_their_counts(taco_copy):
    taco_faults.short_hand(taco_copy, SHORT.key)
    with pytest.raises(ValueError, match=rf"{SHORT.key} has \[90, 87, 90, 90\] frames of left hand, right hand, tool"):
        _ = record(taco_copy).frames


def test_unrecorded_rows_are_nan(taco_copy):
    taco_faults.nan_pose_rows(taco_copy, SHORT.key, "target", (5,))
    taco_faults.missing_hand_frames(taco_copy, SHORT.key, "right", (6, 7))  # by their ids, which begin at 1
    recording = record(taco_copy)
    assert [s.recorded[4:7].tolist() for s in recording.surfaces] == [
        [True] * 3,
        [True, False, False],
        [True] * 3,
        [True, False, True],
    ]
    mesh = build_frame_mesh(recording.surfaces, 5)
    assert set(mesh.part.tolist()) == {0, 2}
    assert np.isfinite(mesh.corners).all()


def test_videos_are_found_by_modality(taco):
    recording = record(taco, MEASURE)
    assert recording.video_info(TRIO[0], MARKER_REMOVED).frames == MEASURE.frames
    with pytest.raises(FileNotFoundError, match=MARKER_REMOVED):
        record(taco, POUR).video_info("22139914", MARKER_REMOVED)


def test_a_camera_without_calibration_is_named(taco_copy):
    taco_faults.drop_calibration(taco_copy, SHORT.key, FOUR[0])
    with pytest.raises(ValueError, match=f"has no camera {FOUR[0]}, expected one of"):
        record(taco_copy).video_info(FOUR[0])


@pytest.mark.parametrize(("width", "read"), [(981, True), (979, False), (1019, True), (1021, False)])
def test_an_aspect_ratio_differs_by_two_percent_at_most(tmp_path, width, read):
    camera = Calibration(np.eye(3), np.eye(3), np.zeros(3), (1000, 1000))
    video = VideoInfo(frames=1, height=1000, width=width, fps=30.0, codec="h264")
    arguments = tmp_path / "1.mp4", video, tmp_path / "calibration.json", camera, "Allocentric_RGB_Videos/1"
    if read:
        check_aspect(*arguments)
    else:
        with pytest.raises(ValueError, match=rf"1\.mp4 has {width}x1000 pixels, .* imgSize 1000x1000 for camera 1"):
            check_aspect(*arguments)


@pytest.mark.parametrize(("unevenness", "read"), [(0.0, True), (1.0, True), (3.01, False)])
def test_a_frame_is_within_three_frames_of_its_time(tmp_path, unevenness, read):
    arguments = tmp_path / "1.mp4", VideoHeader(209, 3000, 4096, 30.0, unevenness), "Allocentric_RGB_Videos/1"
    if read:
        check_rate(*arguments)
    else:
        with pytest.raises(ValueError, match=r"1\.mp4 has a variable frame rate: a frame is 3\.0 frames from"):
            check_rate(*arguments)
