import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hoibench.clip import CLUSTERS
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import clip_set_id
from hoibench.datasets.synthetic.dataset import POINTS, REACH_VERSION, VERSION, SyntheticDataset, clips_folder
from hoibench.geometry import project, to_camera
from hoibench.plugins import UnknownName

ROOT = Path(__file__).parents[3]


def test_clips_have_the_documented_shape(demo):
    for loaded in demo:
        entry, clip = loaded.entry, loaded.clip
        assert (clip.id, clip.triplet, clip.instances) == (entry.id, entry.triplet, entry.instances)
        assert (clip.frames, clip.fps, clip.size, clip.truth) == (25, 8.0, (128, 192), "synthetic")
        assert tuple(view.cluster for view in clip.views) == CLUSTERS
        assert tuple(view.id for view in clip.views) == entry.camera_ids
        assert clip.video.shape == (3, 25, 128, 192, 3)
        assert clip.masks.shape == (3, 25, 128, 192)
        assert clip.tracks.world.shape == (25, POINTS, 3)
        assert clip.tracks.world.dtype == np.float32
        assert len(clip.source_views) == len(clip.load_source_videos()) == 1
        assert clip.load_source_videos()[0].shape == (25, 128, 192, 3)
        for view, frames in zip(clip.views, clip.video, strict=True):
            np.testing.assert_array_equal(view.image, frames[0])


def test_hands_and_objects_stay_in_every_image_and_in_front_of_the_wall(demo):
    for clip in (loaded.clip for loaded in demo):
        height, width = clip.size
        for camera in clip.cameras:
            pixels = project(to_camera(clip.tracks.world.astype(float), camera.R, camera.t), camera.K)
            inside = ((pixels > -0.5) & (pixels < [width - 0.5, height - 0.5])).all(axis=-1)
            assert inside.mean() > 0.97


def test_a_clip_is_generated_once_after_a_message(tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    messages = []
    dataset = SyntheticDataset.open(None, messages.append)
    entry = dataset.manifest("val").entries[0]
    assert list(tmp_path.iterdir()) == []
    first = dataset.load(entry)
    assert messages == [f"generating synthetic clip {entry.id}"]
    assert [path.parent for path in tmp_path.glob("*/*/*")] == [clips_folder(tmp_path) / "synthetic@2"]
    second = SyntheticDataset.open(None, messages.append).load(entry)
    assert len(messages) == 1
    np.testing.assert_array_equal(first.tracks.world, second.tracks.world)


def test_preflight_finds_that_missing_clips_cannot_be_generated(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    dataset = SyntheticDataset(tmp_path / "file")
    entries = dataset.manifest("val").entries[:1]
    (problem,) = dataset.preflight(entries)
    assert str(problem).startswith(
        f"{clips_folder(tmp_path / 'file')} cannot be created, since {tmp_path}/file is a file: 1 clip to"
    )
    dataset = SyntheticDataset(tmp_path)
    assert list(dataset.preflight(entries)) == list(tmp_path.glob("*/")) == []
    monkeypatch.setattr("hoibench.datasets.synthetic.dataset.free_bytes", lambda folder: 9)
    (problem,) = dataset.preflight(entries)
    assert "has 9 bytes free, expected about" in str(problem)
    dataset._clip_folder(entries[0]).mkdir(parents=True)
    assert list(dataset.preflight(entries)) == []


def test_splits_and_their_alias():
    dataset = SyntheticDataset.open(None)
    assert dataset.default_split in dataset.splits()
    assert dataset.manifest("test") == dataset.manifest("test_seen")
    assert dataset.manifest("test").split == "synthetic@2/test_seen"
    with pytest.raises(UnknownName, match="did you mean test_seen"):
        dataset.manifest("test_sen")


def test_wide_clips_differ_from_others(tmp_path):
    dataset = SyntheticDataset.open(tmp_path)
    entry = dataset.manifest("synthetic-wide@2/demo").entries[0]
    assert entry.id == dataset.manifest("demo").entries[0].id
    clip = dataset.load(entry)
    assert tuple(view.id for view in clip.views) == entry.camera_ids
    assert [path.parent for path in tmp_path.glob("*/*/*")] == [clips_folder(tmp_path) / "synthetic-wide@2"]
    assert "synthetic-wide@2/demo" in dataset.splits()
    with pytest.raises(UnknownName, match="did you mean synthetic-wide@2/demo"):
        dataset.manifest("synthetic-wide@3/demo")


def test_reach_has_a_version_and_a_folder_of_its_own(reach_root):
    dataset = SyntheticDataset.open(reach_root)
    manifest = dataset.manifest("synthetic-reach@1/demo")
    assert manifest.truth_id == REACH_VERSION != VERSION == dataset.manifest("demo").truth_id
    assert list(dataset.preflight(manifest.entries)) == []
    folder = reach_root / "synthetic-reach-clips@1" / "synthetic-reach@1"
    assert folder.parent == clips_folder(reach_root, REACH_VERSION)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [e.id for e in manifest.entries]


def test_reaching_hands_stay_in_every_image(reach_root):
    dataset = SyntheticDataset.open(reach_root)
    for entry in dataset.manifest("synthetic-reach@1/demo").entries:
        clip = dataset.load(entry)
        height, width = clip.size
        for camera in clip.cameras:
            pixels = project(to_camera(clip.tracks.world.astype(float), camera.R, camera.t), camera.K)
            assert ((pixels > -0.5) & (pixels < [width - 0.5, height - 0.5])).all(axis=-1).mean() > 0.97


def test_an_unknown_clip_is_refused(tmp_path):
    with pytest.raises(ValueError, match="20990101_001"):
        SyntheticDataset.open(tmp_path).load(ClipEntry("20990101_001"))


def test_cameras_outside_the_split_are_refused(tmp_path):
    dataset = SyntheticDataset.open(tmp_path)
    with pytest.raises(ValueError, match="synthetic has no cameras outside its splits: leave out --cameras all"):
        dataset.camera_loaders(dataset.manifest("demo").entries[0])


def test_ids_depend_on_the_declared_version_not_on_source_text(tmp_path):
    """A copy of the package with edited docstrings gives the same ids."""
    for package in ("hoibench", "splits"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tmp_path / "hoibench" / "datasets" / "synthetic").rglob("*.py"):
        path.write_text(path.read_text().replace('"""', '"""Edited. ', 1))
    code = (
        "from pathlib import Path; from hoibench.datasets.base import clip_set_id; "
        "from hoibench.datasets.synthetic import __doc__ as text; "
        "from hoibench.datasets.synthetic.dataset import SyntheticDataset, clips_folder; "
        "m = SyntheticDataset.open(None).manifest('demo'); "
        "print(text[:7], m.truth_id, clip_set_id(m.entries, m.truth_id), clips_folder(Path('x')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    manifest = SyntheticDataset.open(None).manifest("demo")
    ours = [VERSION, clip_set_id(manifest.entries, VERSION), str(clips_folder(Path("x")))]
    assert manifest.truth_id == VERSION
    assert done.stdout.split() == ["Edited.", *ours]


def test_splits_are_listed_without_heavy_libraries():
    code = (
        "import sys; from hoibench.datasets.synthetic.dataset import SyntheticDataset as S; "
        "S.open(None).manifest('demo'); "
        "print([m for m in ('torch', 'scipy', 'pandas', 'cv2', 'av', 'trimesh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
