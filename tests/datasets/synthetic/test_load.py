import json
import shutil

import numpy as np
import pytest

from hoibench.clip import CLUSTERS, PARTS
from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO
from hoibench.datasets.taco.protocol import build_prompt
from hoibench.geometry import to_camera
from hoibench.video import decode, encode


@pytest.fixture
def copy(written, tmp_path):
    """A copy of the clip's tree that tests may damage."""
    shutil.copytree(written.root, tmp_path / "tree")
    return type(written)(written.scene, tmp_path / "tree", written.key, written.seed)


def test_views_are_sorted_left_center_right(written, clip):
    again = written.load(serials=TRIO[::-1])
    for loaded in (clip, again):
        assert tuple(view.id for view in loaded.views) == TRIO
        assert tuple(view.cluster for view in loaded.views) == CLUSTERS
        assert [view.id for view in loaded.source_views] == [SOURCE_CAMERA]
    np.testing.assert_array_equal(again.tracks.visible, clip.tracks.visible)


def test_the_facts_of_a_clip(clip):
    assert (clip.id, clip.triplet, clip.fps, clip.frames) == ("20231002_001", ("spoon", "stir", "bowl"), 8.0, 5)
    assert clip.prompt == "use the spoon to stir in the bowl"
    assert clip.truth == "synthetic"
    for view, frames in zip(clip.views, clip.video, strict=True):
        np.testing.assert_array_equal(view.image, frames[0])
    assert "load_video" not in repr(clip)


def test_the_objects_of_a_clip(written, clip):
    tool, target = clip.objects
    assert (tool.name, target.name) == ("tool", "target")
    for rigid, surface in zip(clip.objects, written.recording.surfaces[2:], strict=True):
        assert rigid.watertight
        np.testing.assert_allclose(rigid.vertices @ rigid.R.mT + rigid.t[:, None], surface.vertices, atol=1e-12)


def test_a_clip_without_a_source_has_none(written):
    loaded = written.load(source=None)
    assert loaded.source_views == loaded.load_source_videos() == ()


def test_tracks_are_on_the_generated_surfaces(written, clip):
    """Two ways from the scene in the rig frame to camera space agree."""
    from hoibench.datasets.synthetic.materials import build_textured_surfaces
    from hoibench.datasets.synthetic.writer import zoomed_cameras
    from hoibench.datasets.taco.tracks import choose_points, track_points

    textured = build_textured_surfaces(written.scene, written.seed)
    surfaces = [each.surface for each in textured[:4]]
    cameras = zoomed_cameras(textured, TRIO)
    points = choose_points(written.recording.surfaces, 128)
    positions, part = track_points(points, surfaces)
    np.testing.assert_array_equal(part, clip.tracks.part)
    for serial, camera in zip(TRIO, clip.cameras, strict=True):
        ours = cameras[serial]
        np.testing.assert_allclose(
            to_camera(clip.tracks.world, camera.R, camera.t), to_camera(positions, ours.R, ours.t), atol=2e-6
        )


def test_a_missing_video_is_named(copy):
    copy.recording.sequence.video(TRIO[1]).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{TRIO[1]}\.mp4 is missing"):
        copy.load()


def test_a_truncated_video_is_named(copy):
    path = copy.recording.sequence.video(TRIO[0])
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=rf"{TRIO[0]}\.mp4"):
        copy.load()


def test_a_video_of_another_length_is_named(copy):
    path = copy.recording.sequence.video(TRIO[2])
    encode(path, decode(path)[:-1], 8.0)
    with pytest.raises(ValueError, match=rf"{TRIO[2]}\.mp4 has 4 frames, but the annotation has 5"):
        copy.load()


def test_videos_of_different_sizes_are_refused(copy):
    path = copy.recording.sequence.video(TRIO[2])
    encode(path, decode(path)[:, ::2, ::2], 8.0)
    with pytest.raises(ValueError, match=rf"differ in format.*{TRIO[2]} 96x64"):
        copy.load()


def test_annotations_of_different_lengths_are_refused(copy):
    _, path = copy.recording.sequence.find_object_pose("target")
    np.save(path, np.load(path)[:-1])
    with pytest.raises(ValueError, match=r"\[5, 5, 5, 4\] frames"):
        copy.load()


def test_an_unrecorded_part_repeats_its_position_and_is_invisible(copy, clip):
    _, path = copy.recording.sequence.find_object_pose("tool")
    poses = np.load(path)
    poses[3] = np.nan
    np.save(path, poses)
    tracks, whole = copy.load().tracks, clip.tracks
    tool = tracks.part == PARTS.index("tool")
    np.testing.assert_array_equal(tracks.recorded, ~(tool & (np.arange(5) == 3)[:, None]))
    np.testing.assert_array_equal(tracks.world[3, tool], whole.world[2, tool])
    np.testing.assert_array_equal(tracks.world[:, ~tool], whole.world[:, ~tool])
    assert not tracks.visible[:, 3, tool].any()
    # Points behind the missing tool become visible.
    assert (tracks.visible[:, 3, ~tool] >= whole.visible[:, 3, ~tool]).all()
    assert whole.recorded is None


def test_a_video_of_another_shape_than_its_calibration_is_named(copy):
    path = copy.recording.sequence.video(TRIO[2])
    encode(path, decode(path)[:, :, :-8], 8.0)
    with pytest.raises(
        ValueError, match=rf"{TRIO[2]}\.mp4 has 184x128 pixels, .* imgSize 192x128 for camera {TRIO[2]}"
    ):
        copy.load()


def test_a_camera_without_calibration_is_named(copy):
    path = copy.recording.sequence.calibration
    table = json.loads(path.read_text())
    del table[TRIO[0]]
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match=f"no camera {TRIO[0]}, expected one of"):
        copy.load()


def test_a_serial_outside_the_rig_is_named(written):
    with pytest.raises(ValueError, match="'1234' is not one of TACO's 12"):
        written.load(serials=(*TRIO[:2], "1234"))


@pytest.mark.field
def test_every_triplet_of_taco_has_a_prompt_that_names_tool_and_target(field_data):
    from hoibench.datasets.taco.download import parse_triplet

    lines = (field_data / "taco" / "v1_overall_data_sequences.txt").read_text().splitlines()
    for triplet in {parse_triplet(line.rpartition(" ")[0]) for line in lines if line.strip()}:
        text = build_prompt(triplet)
        assert triplet[0] in text
        assert triplet[2] in text
        assert "{" not in text


def test_an_unknown_action_is_named():
    with pytest.raises(ValueError, match="'juggle' has no prompt"):
        build_prompt(("cup", "juggle", "plate"))
