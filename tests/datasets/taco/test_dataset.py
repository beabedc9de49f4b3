"""The TACO data set, opened on a download, a partial download, and prepared clips."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import taco_faults
import taco_tree
from mano_files import write_mano

from hoibench.clip import CLUSTERS
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import clip_set_id
from hoibench.datasets.registry import open_dataset
from hoibench.datasets.taco.clip_source import MANO_MISSING_WARNING
from hoibench.datasets.taco.dataset import TacoDataset
from hoibench.datasets.taco.download import RGB
from hoibench.datasets.taco.protocol import FRAMES, POINTS, SIZE
from hoibench.evaluation.request import build_request
from hoibench.methods.spec import Spec
from hoibench.plugins import UnknownName

KEY = taco_tree.HIT.key


@pytest.fixture
def download(taco):
    return open_dataset("taco", taco.root)


@pytest.fixture
def folder(prepared):
    return open_dataset("taco", prepared)


def test_a_download_has_some_clips_and_counts_the_others(download):
    manifest = download.manifest("test")
    assert manifest.split == "taco-syncmv4d@2/test_unseen"
    (entry,) = manifest.entries
    assert (entry.id, entry.instances, entry.tags) == (KEY, ("061", "191"), ("unseen_object", "official_test"))
    assert (entry.variant, entry.valid_frames) == ("clip-raw", None)
    assert manifest.exclusion_summary == (
        "82: the sequence is not in Object_Poses",
        "1: a camera of the clip is not in Allocentric_RGB_Videos; hoibench data doctor with this --split shows which",
    )
    assert manifest.truth_id == "hoibench/taco-clips@1 synthetic 128x94"
    assert any("crop=clip" in note and "motion's extent" in note for note in manifest.notes)


def test_only_parts_of_the_default_split_have_short_names(download):
    assert {"train", "val", "test", "taco-official@2/S1"} <= set(download.splits())
    assert download.manifest("taco-official@2/S3").split == "taco-official@2/test_3"
    with pytest.raises(UnknownName, match="S3"):
        download.manifest("S3")
    with pytest.raises(UnknownName, match="taco-syncmv4d@9"):
        download.manifest("taco-syncmv4d@9/test")


def test_another_recipe_gives_another_clip(download):
    clip, frame0 = (download.manifest(f"taco-syncmv4d{name}@2/test").entries for name in ("", "-frame0"))
    assert [entry.id for entry in clip] == [entry.id for entry in frame0] == [KEY]
    assert clip_set_id(clip) != clip_set_id(frame0)
    official = download.manifest("taco-official@2/test_3").entries
    assert clip_set_id(official) == clip_set_id(clip)


def test_prepared_clips_equal_those_of_the_download(download, folder):
    ours, theirs = download.manifest("test"), folder.manifest("test")
    assert (ours.entries, ours.truth_id, ours.split_id) == (theirs.entries, theirs.truth_id, theirs.split_id)
    assert set(theirs.left_out.values()) == {f"the clip was not prepared in {folder.source.folder}"}


def test_a_clip_has_the_protocols_size(folder):
    (entry,) = folder.manifest("test").entries
    clip = folder.load(entry)
    assert (clip.frames, clip.fps, clip.size) == (FRAMES, 8.0, SIZE)
    assert tuple(view.cluster for view in clip.views) == CLUSTERS
    assert tuple(view.id for view in clip.views) == entry.camera_ids
    assert [view.id for view in clip.source_views] == ["22139910"]
    assert (clip.prompt, clip.tags, clip.instances) == ("use the hammer to hit the toy", entry.tags, entry.instances)
    assert clip.video.shape == (3, FRAMES, *SIZE, 3)
    assert clip.masks.shape == (3, FRAMES, *SIZE)
    assert clip.tracks.world.shape == (FRAMES, POINTS, 3)
    assert clip.load_source_videos()[0].shape == (FRAMES, *SIZE, 3)
    assert clip.truth == "synthetic" and folder.kind == "synthetic"
    for view in range(3):
        assert np.array_equal(clip.views[view].image, clip.video[view, 0])


def test_a_clip_is_prepared_when_first_loaded(taco, tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    messages = []
    dataset = open_dataset("taco", taco.root, messages.append)
    (entry,) = dataset.manifest("test").entries
    entry = replace(entry, variant="frame0-raw")
    first = dataset.load(entry)
    assert messages == [f"preparing {KEY}"]
    again = dataset.load(entry)
    assert messages == [f"preparing {KEY}"]
    assert np.array_equal(first.tracks.visible, again.tracks.visible)
    assert np.array_equal(first.video, again.video)


def test_preflight_finds_that_missing_clips_cannot_be_prepared(download, folder):
    entries = download.manifest("test").entries
    assert list(download.preflight(entries)) == list(folder.preflight(entries)) == []
    source = replace(download.source, out=Path(__file__))
    (problem,) = TacoDataset(source).preflight(entries)
    assert (
        str(problem) == f"{source.out} is a file: 1 clip to be prepared there: set HOIBENCH_CACHE to a writable folder"
    )


def test_short_recordings_are_left_out_or_padded(tmp_path):
    shoot = replace(taco_tree.HIT, frames=90, serials=("22139911", "22139916", "22139946"))
    tree = taco_tree.write_tree(tmp_path / "tree", tmp_path / "lists", sequences=(shoot,))
    dataset = open_dataset("taco", tree.root)
    assert dataset.manifest("test").entries == ()
    assert "too short" in dataset.manifest("test").left_out[KEY]
    padded = dataset.padded_manifest("test")
    assert (padded.split, [e.valid_frames for e in padded.entries]) == ("taco-syncmv4d@2/test_unseen+pad", [24])
    assert (dataset.manifest("test").split_id, padded.split_id) == ("fd6b546d623a", "1ae9fc8ff555")
    clip = dataset.load(padded.entries[0])
    assert (clip.frames, clip.valid_frames) == (FRAMES, 24)
    # Frame 23 is source frame 86; those after it repeat the recording's last, 89.
    assert (clip.tracks.world[24:] == clip.tracks.world[24]).all()
    assert not (clip.tracks.world[23] == clip.tracks.world[24]).all()
    assert (clip.source_views, clip.load_source_videos()) == ((), ())


def test_without_mano_the_truth_is_proxy_hand(taco_copy):
    taco_faults.claim_mano(taco_copy)
    messages = []
    dataset = open_dataset("taco", taco_copy.root, messages.append)
    assert messages == [MANO_MISSING_WARNING]
    assert (dataset.kind, dataset.source.truth) == ("measured", "proxy-hand")
    assert dataset.manifest("test").truth_id == "hoibench/taco-clips@1 proxy-hand 128x94"


def test_with_mano_the_truth_is_taco(taco_copy, tmp_path, monkeypatch):
    taco_faults.claim_mano(taco_copy)
    (tmp_path / "mano").mkdir()
    for side in ("left", "right"):
        write_mano(tmp_path / "mano", side)
    without = open_dataset("taco", taco_copy.root)
    monkeypatch.setenv("HOIBENCH_MANO", str(tmp_path / "mano"))
    dataset = open_dataset("taco", taco_copy.root)
    assert (dataset.kind, dataset.source.truth) == ("measured", "taco")
    assert dataset.source.out != without.source.out
    assert dataset.manifest("test").truth_id != without.manifest("test").truth_id


def test_a_missing_mano_folder_is_an_error(taco_copy, tmp_path, monkeypatch):
    taco_faults.claim_mano(taco_copy)
    monkeypatch.setenv("HOIBENCH_MANO", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_dataset("taco", taco_copy.root)


def test_a_folder_that_is_not_a_download_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="--dataset taco needs --root"):
        open_dataset("taco", None)
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder"):
        open_dataset("taco", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"has no Object_Poses"):
        open_dataset("taco", tmp_path)


def test_an_entry_of_no_split_is_an_error(folder):
    with pytest.raises(ValueError, match="no split of TACO has clip '20990101_001'"):
        folder.load(ClipEntry("20990101_001"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda t: taco_faults.drop_camera(t, KEY, "22139911"), "a camera of the clip is not in Allocentric_RGB_Videos"),
        (lambda t: taco_faults.drop_modality(t, "Hand_Poses"), "the sequence is not in Hand_Poses"),
        (
            lambda t: taco_faults.drop_modality(t, "Allocentric_Camera_Parameters"),
            "the sequence is not in Allocentric_Camera_Parameters",
        ),
        (lambda t: taco_faults.drop_model(t, "061"), "a mesh of the clip is not in Object_Models"),
        (lambda t: taco_faults.drop_file(t, KEY, "Object_Poses", "tool_061.npy"), "the sequence lacks a file in Object_Poses"),
    ],
)  # fmt: skip
def test_clips_missing_from_a_partial_download_are_left_out(taco_copy, fault, reason):
    fault(taco_copy)
    manifest = open_dataset("taco", taco_copy.root).manifest("test")
    assert manifest.entries == ()
    assert manifest.left_out[KEY].startswith(reason)


def test_a_sequence_in_the_folder_of_another_triplet_is_left_out(taco_copy):
    for modality in taco_copy.root.iterdir():
        for folder in modality.glob("(hit, hammer, toy)"):
            folder.rename(folder.with_name("(cut, knife, plate)"))
    assert (
        open_dataset("taco", taco_copy.root).manifest("test").left_out[KEY]
        == "the sequence is in the folder of another triplet"
    )


def test_zips_unpacked_into_folders_of_their_own_names_are_found(taco_copy):
    folder = taco_copy.root / "Allocentric_RGB_Videos"
    for path in sorted(folder.glob(f"(*)/{KEY}/*.mp4")):
        to = folder / path.stem / path.relative_to(folder)
        to.parent.mkdir(parents=True)
        path.rename(to)
    sequence = taco_copy.download.sequence(KEY)
    assert sequence.video("22139911") == folder / "22139911" / "(hit, hammer, toy)" / KEY / "22139911.mp4"
    assert [entry.id for entry in open_dataset("taco", taco_copy.root).manifest("test").entries] == [KEY]


def test_a_missing_source_camera_excludes_no_clip(taco_copy):
    taco_faults.drop_camera(taco_copy, KEY, "22139910")
    assert [e.id for e in open_dataset("taco", taco_copy.root).manifest("test").entries] == [KEY]


def test_a_damaged_video_affects_only_its_clip(taco_copy):
    """Two clips of the split; the first one's first video is cut."""
    shutil.rmtree(taco_copy.root)
    shoots = [
        replace(taco_tree.HIT, frames=4, serials=("22139911", "22139916", "22139946")),
        replace(taco_tree.MEASURE, frames=4, serials=("22139911", "22139916", "22139946")),
    ]
    tree = taco_tree.write_tree(taco_copy.root, taco_copy.root.with_name("lists"), sequences=shoots, size=(188, 256))
    taco_faults.truncate_video(tree, KEY, "22139911")
    manifest = open_dataset("taco", tree.root).padded_manifest("test")
    assert [entry.id for entry in manifest.entries] == [KEY, taco_tree.MEASURE.key]
    assert manifest.truth_id == "hoibench/taco-clips@1 synthetic 256x188"
    taco_faults.truncate_video(tree, taco_tree.MEASURE.key, "22139911")
    assert open_dataset("taco", tree.root).padded_manifest("test").truth_id.endswith("of unknown size")


def test_a_source_view_downloaded_later_is_prepared(taco, taco_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    path = taco_faults.drop_camera(taco_copy, KEY, "22139910")
    dataset = open_dataset("taco", taco_copy.root)
    (entry,) = dataset.manifest("test").entries
    clip = dataset.load(entry)
    assert clip.source_views == ()
    spec = Spec(id="v", families=("v2v",), outputs=("video",))
    with pytest.raises(ValueError, match="has no source view, which v needs"):
        build_request(clip, spec, seed=0)
    path.write_bytes(b"no video")
    assert dataset.load(entry).source_views == dataset.load(entry).source_views == ()
    path.unlink()
    path.hardlink_to(taco.sequence(KEY).video("22139910"))
    later = dataset.load(entry)
    assert [view.id for view in later.source_views] == ["22139910"]
    assert build_request(later, spec, seed=0).source_videos[0].video.shape == (FRAMES, *SIZE, 3)


@pytest.mark.parametrize(
    "fault", [lambda t: taco_faults.cut_poses(t, KEY), lambda t: taco_faults.frame_counts(t, KEY, "target")]
)
def test_a_damaged_file_does_not_count_as_missing(taco_copy, fault):
    fault(taco_copy)
    dataset = open_dataset("taco", taco_copy.root)
    (entry,) = dataset.manifest("test").entries
    with pytest.raises(ValueError, match=KEY):
        dataset.load(entry)


def test_every_camera_of_a_clip_is_loaded_separately(download, folder):
    """Those in the download, or those that were prepared: the split's and the source."""
    (entry,) = folder.manifest("test").entries
    filmed = {path.stem for path in download.source.download.sequence(KEY).folder(RGB).glob("*.mp4")}
    assert set(dict(download.camera_loaders(entry))) == filmed > {*entry.camera_ids, "22139910"}
    offered = dict(folder.camera_loaders(entry))
    assert set(offered) == {*entry.camera_ids, "22139910"}
    clip = offered["22139910"]()
    assert [view.id for view in clip.views] == ["22139910"] and clip.source_views == ()
    assert clip.video.shape == (1, FRAMES, *SIZE, 3)
    with pytest.raises(ValueError, match="no split of TACO has clip"):
        next(iter(folder.camera_loaders(replace(entry, camera_ids=entry.camera_ids[:2]))))
