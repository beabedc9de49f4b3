"""Preparation of a sequence: missing and damaged views are created, and faults of a recording are named."""

import errno
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
import taco_faults
from taco_pictures import write_video
from taco_prepare import is_prepared, prepare_views
from taco_tree import FOUR, SHORT, TRIO

from hoibench.clip import PARTS
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.checks.video_fit import VIDEO_FIT
from hoibench.datasets.taco.download import RGB
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.prepare.format import read_sequence_record, read_settings, tracks_folder, view_folder
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.prepare.sequence import SequencePreparation
from hoibench.datasets.taco.prepare.split import LineResult, prepare_line, summarize
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.store import verified_folder
from hoibench.store.atomic import WriteError
from hoibench.store.verified_folder import CorruptFolder
from hoibench.video import decode

KEY = SHORT.key
RECIPE = Recipe("clip", "raw")
ONE, TWO, THREE = TRIO
SOURCE = FOUR[3]


def record(taco):
    return Recording(taco.download, taco.download.sequence(KEY))


def prepare(taco, out, serials=(ONE,)):
    return prepare_views(record(taco), out, serials, RECIPE)


def contents(out):
    """Every file of a prepared folder, by its path."""
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(prepared_views):
    """SHORT, prepared for two cameras."""
    return prepared_views("taco-short", (KEY, (ONE, TWO), RECIPE))


@pytest.fixture
def out(whole, tmp_path):
    """A copy of it, to break."""
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out"


def test_existing_views_are_not_changed(taco, out):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert prepare(taco, out, (ONE, TWO)) == ()
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_only_missing_views_are_created_equal_to_the_old_ones(taco, whole, out):
    shutil.rmtree(view_folder(out, KEY, RECIPE, TWO))
    assert not is_prepared(out, KEY, RECIPE, (ONE, TWO))
    assert is_prepared(out, KEY, RECIPE, (ONE,))
    assert prepare(taco, out, (ONE, TWO)) == (TWO,)
    assert contents(out) == contents(whole)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, flip, lambda path: path.unlink()], ids=["cut", "flipped", "deleted"])
@pytest.mark.parametrize("name", ["video.mp4", "view.npz", "metadata.json"])
def test_a_damaged_view_is_named(out, harm, name):
    path = view_folder(out, KEY, RECIPE, ONE) / name
    harm(path)
    assert not is_prepared(out, KEY, RECIPE, (ONE,))
    with pytest.raises(CorruptFolder, match=rf"{name} .*: run hoibench data prepare"):
        read_prepared_clip(out, KEY, RECIPE, (ONE, TWO))


def test_a_damaged_view_is_created_again(taco, whole, out):
    cut(view_folder(out, KEY, RECIPE, ONE) / "video.mp4")
    assert prepare(taco, out, (ONE, TWO)) == (ONE,)
    assert contents(out) == contents(whole)


def test_damaged_tracks_are_named_and_created_again(taco, whole, out):
    cut(tracks_folder(out, KEY) / "tracks.npz")
    with pytest.raises(CorruptFolder, match=r"tracks\.npz has \d+ bytes, expected \d+: run hoibench data prepare"):
        read_prepared_clip(out, KEY, RECIPE, (ONE,))
    assert prepare(taco, out, (ONE, TWO)) == ()
    assert contents(out) == contents(whole)


def test_a_view_that_was_not_prepared_is_named(out):
    with pytest.raises(FileNotFoundError, match=rf"clip-raw/{THREE} is missing: run hoibench data prepare"):
        read_prepared_clip(out, KEY, RECIPE, TRIO)
    with pytest.raises(FileNotFoundError, match=r"20230927_999/tracks is missing"):
        read_prepared_clip(out, "20230927_999", RECIPE, TRIO)


def test_a_partial_folder_is_ignored(taco, out):
    """A folder left by a killed process does not count as a view."""
    folder = view_folder(out, KEY, RECIPE, ONE)
    folder.rename(folder.with_name(f".tmp-0123abcd-{folder.name}"))
    assert not is_prepared(out, KEY, RECIPE, (ONE,))
    assert prepare(taco, out) == (ONE,)


@dataclass(frozen=True)
class OtherHand(ProxyHand):
    """A hand model that goes by another name."""

    name: str = "mano"


def test_another_hand_model_is_an_error_even_if_nothing_is_missing(taco, out):
    with pytest.raises(ValueError, match="with other settings .*hand_model was hoibench-proxy, now mano"):
        prepare_views(Recording(taco.download, taco.download.sequence(KEY), OtherHand()), out, (ONE, TWO), RECIPE)
    assert read_settings(out).hand_model == "hoibench-proxy"


def refilm(tree, serial, fps=30.0, times=1):
    """Rewrite a camera's video at another frame rate or scale."""
    path = tree.sequence(KEY).video(serial)
    write_video(path, decode(path).repeat(times, axis=1).repeat(times, axis=2), fps)
    return path


@pytest.mark.parametrize("fps", [25, 29.6, 31, 60])
def test_a_video_of_another_rate_is_an_error(taco_copy, tmp_path, fps):
    path = refilm(taco_copy, TWO, fps)
    with pytest.raises(
        ValueError, match=rf"{path.name} has {fps:g}\d* frames per second, but TACO's videos have 30: unpack"
    ):
        prepare(taco_copy, tmp_path, (ONE, TWO))
    assert not (tmp_path / KEY).exists()


def test_29_97_frames_per_second_count_as_30(taco_copy, whole, tmp_path):
    refilm(taco_copy, ONE, 30000 / 1001)
    prepare(taco_copy, tmp_path)
    assert read_sequence_record(tmp_path, KEY).source_frames == read_sequence_record(whole, KEY).source_frames


def test_videos_of_two_sizes_are_an_error(taco_copy, out, tmp_path):
    refilm(taco_copy, THREE, times=2)
    with pytest.raises(ValueError, match=rf"differ in size \({ONE} 128x94, {THREE} 256x188\)"):
        prepare(taco_copy, tmp_path / "new", (ONE, THREE))
    assert not (tmp_path / "new").exists()
    # The same if other views exist, or none.
    with pytest.raises(ValueError, match="differ in size"):
        prepare(taco_copy, out, (THREE, ONE))
    with pytest.raises(ValueError, match=r"native_size was \[94, 128\], now \[188, 256\]"):
        prepare(taco_copy, out, (THREE,))


def test_unrecorded_points_repeat_their_position_and_are_invisible(taco_copy, whole, tmp_path):
    taco_faults.nan_pose_rows(taco_copy, KEY, "tool", (4, 8))  # the clip's frames 1 and 2
    prepare(taco_copy, tmp_path)
    tracks, untouched = (read_prepared_clip(out, KEY, RECIPE, (ONE,)).tracks for out in (tmp_path, whole))
    tool = tracks.part == PARTS.index("tool")
    gone = tool & np.isin(np.arange(49), (1, 2))[:, None]
    np.testing.assert_array_equal(tracks.recorded, ~gone)
    np.testing.assert_array_equal(tracks.world[~gone], untouched.world[~gone])
    np.testing.assert_array_equal(tracks.world[1, tool], untouched.world[0, tool])
    np.testing.assert_array_equal(tracks.world[2, tool], untouched.world[3, tool])
    assert not tracks.visible[0][gone].any()


def test_a_part_missing_in_frame_0_gets_no_points(taco_copy, tmp_path):
    taco_faults.nan_pose_rows(taco_copy, KEY, "tool", (0,))
    prepare(taco_copy, tmp_path)
    tracks = read_prepared_clip(tmp_path, KEY, RECIPE, (ONE,)).tracks
    assert set(tracks.part.tolist()) == {0, 1, 3}
    assert tracks.recorded is None


FAULTS = {
    "a camera that was not downloaded": (taco_faults.drop_camera, FileNotFoundError, r"\.mp4 is missing"),
    "a truncated video": (taco_faults.truncate_video, ValueError, "truncated|cannot be read"),
    "an empty video": (taco_faults.empty_video, ValueError, "is empty"),
    "a video a frame short": (taco_faults.shorten_video, ValueError, "has 89 frames, but the annotation has 90"),
    "a square video": (taco_faults.square_video, ValueError, "aspect ratios differ"),
    "a camera that looks away": (taco_faults.turn_camera, ValueError, "sees no hand or object"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_view_is_named_and_not_written(taco_copy, tmp_path, name):
    fault, error, words = FAULTS[name]
    path = fault(taco_copy, KEY, ONE)
    with pytest.raises(error, match=words) as raised:
        prepare(taco_copy, tmp_path)
    assert (path.stem if path.suffix == ".mp4" else ONE) in str(raised.value)
    assert not view_folder(tmp_path, KEY, RECIPE, ONE).exists()


def test_a_damaged_source_view_does_not_block_the_clip(taco_copy, tmp_path):
    path = taco_faults.shorten_video(taco_copy, KEY, SOURCE)
    line = SplitLine(ClipEntry(KEY, camera_ids=(ONE,)), SOURCE, {"crop": "clip", "video": "raw"})
    prepared = prepare_line(taco_copy.download, line, tmp_path, ProxyHand())
    assert prepared.created_views == (ONE,)
    assert path.name in prepared.source_view_error
    assert is_prepared(tmp_path, KEY, RECIPE, (ONE,))
    path.unlink()
    expected = LineResult(KEY, "skipped", source_view_error=f"camera {SOURCE} was not downloaded")
    assert prepare_line(taco_copy.download, line, tmp_path, ProxyHand()) == expected


def test_a_video_exchanged_with_that_of_any_downloaded_camera_is_refused(taco_copy, tmp_path):
    taco_faults.exchange_videos(taco_copy, KEY, ONE, SOURCE)
    of_one, of_two = (
        SplitLine(ClipEntry(KEY, camera_ids=(s,)), recipe={"crop": "clip", "video": "raw"}) for s in (ONE, TWO)
    )
    with pytest.raises(ValueError, match=rf"{ONE}\.mp4 shows what camera {SOURCE} sees"):
        prepare_line(taco_copy.download, of_one, tmp_path, ProxyHand())
    assert not (tmp_path / KEY).exists()
    result = prepare_line(taco_copy.download, of_two, tmp_path, ProxyHand())
    assert result.created_views == (TWO,)
    assert [f"{serial}.mp4 shows" in text for serial, text in zip((ONE, SOURCE), result.warnings, strict=True)] == [
        True,
        True,
    ]


def test_a_damaged_video_fails_only_its_own_camera(taco_copy, tmp_path):
    path = taco_faults.overwrite_video(taco_copy, KEY, SOURCE)
    line = SplitLine(ClipEntry(KEY, camera_ids=(ONE,)), SOURCE, {"crop": "clip", "video": "raw"})
    result = prepare_line(taco_copy.download, line, tmp_path, ProxyHand())
    assert result.created_views == (ONE,)
    assert path.name in result.source_view_error
    (warning,) = result.warnings
    assert f"{path} " in warning
    assert not view_folder(tmp_path, KEY, RECIPE, SOURCE).exists()


def test_videos_are_compared_once_for_all_cameras(taco, tmp_path, monkeypatch):
    compared = []
    check = replace(VIDEO_FIT, find=lambda checked: compared.append(sorted(checked.videos)) or ())
    monkeypatch.setattr("hoibench.datasets.taco.prepare.view_checks.COMPARISON_CHECKS", (check,))
    preparation = SequencePreparation(record(taco), tmp_path, RECIPE)
    assert preparation.prepare_views([ONE]) + preparation.prepare_views([TWO]) == (ONE, TWO)
    assert compared == [sorted(FOUR)]


def test_warnings_of_the_checks_are_in_the_report(taco_copy, tmp_path):
    path = taco_faults.late_hand(taco_copy, KEY)
    line = SplitLine(ClipEntry(KEY, camera_ids=(ONE,)), recipe={"crop": "clip", "video": "raw"})
    result = prepare_line(taco_copy.download, line, tmp_path, ProxyHand())
    assert result.status == "created"
    assert any(text.startswith(f"{path} is 3 frames late against the tool") for text in result.warnings)
    assert summarize([result, LineResult(KEY, "skipped")]).warnings == {KEY: result.warnings}


def test_a_later_source_view_is_added_and_then_kept(taco_copy, taco, tmp_path):
    path = taco_faults.drop_camera(taco_copy, KEY, SOURCE)
    line = SplitLine(ClipEntry(KEY, camera_ids=(ONE,)), SOURCE, {"crop": "clip", "video": "raw"})
    assert prepare_line(taco_copy.download, line, tmp_path, ProxyHand()).source_view_error is not None
    shutil.copy2(taco.sequence(KEY).video(SOURCE), path)
    assert prepare_line(taco_copy.download, line, tmp_path, ProxyHand()) == LineResult(
        KEY, "created", created_views=(SOURCE,)
    )
    path.unlink()
    assert prepare_line(taco_copy.download, line, tmp_path, ProxyHand()) == LineResult(KEY, "skipped")


def test_a_full_disk_stops_preparation_and_leaves_complete_folders(taco, whole, tmp_path, monkeypatch):
    real, written = verified_folder.write_json, []

    def fills_up(path, value):
        if len(written) == 5:  # the records of the tracks, of two meshes, of the poses and of a view
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        real(path, value)

    monkeypatch.setattr(verified_folder, "write_json", fills_up)
    with pytest.raises(WriteError, match="No space left on device"):
        prepare(taco, tmp_path, (ONE, TWO))
    monkeypatch.undo()
    assert is_prepared(tmp_path, KEY, RECIPE, (ONE,))
    assert not view_folder(tmp_path, KEY, RECIPE, TWO).exists()
    assert prepare(taco, tmp_path, (ONE, TWO)) == (TWO,)
    assert contents(tmp_path) == contents(whole)


def test_an_unwritable_folder_is_not_reported_as_a_damaged_recording(taco, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        prepare(taco, tmp_path / "file" / "out")


def test_prepared_clips_are_read_without_the_download(out, whole):
    clip = read_prepared_clip(out, KEY, RECIPE, (ONE, TWO))
    shutil.rmtree(view_folder(out, KEY, RECIPE, TWO))
    alone = read_prepared_clip(out, KEY, RECIPE, (ONE,))
    np.testing.assert_array_equal(alone.tracks.visible[0], clip.tracks.visible[0])
    np.testing.assert_array_equal(alone.video[0], decode(view_folder(whole, KEY, RECIPE, ONE) / "video.mp4"))


def test_nothing_is_written_into_the_download(taco_copy, tmp_path):
    before = contents(taco_copy.root)
    prepare(taco_copy, tmp_path)
    assert contents(taco_copy.root) == before
    assert (taco_copy.root / RGB).is_dir()
