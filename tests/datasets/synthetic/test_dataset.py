import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hoibench.clip import CLUSTERS
from hoibench.datasets.base import ClipEntry
from hoibench.datasets.synthetic import dataset as module
from hoibench.datasets.synthetic.dataset import POINTS, SyntheticDataset, generator_version
from hoibench.geometry import project, to_camera
from hoibench.plugins import UnknownName


def test_the_protocol_of_the_clips(demo):
    for loaded in demo:
        entry, clip = loaded.entry, loaded.clip
        assert (clip.id, clip.triplet, clip.instances) == (entry.id, entry.triplet, entry.instances)
        assert (clip.frames, clip.fps, clip.size, clip.truth) == (25, 8.0, (128, 192), "synthetic")
        assert tuple(view.cluster for view in clip.views) == CLUSTERS
        assert tuple(view.id for view in clip.views) == entry.serials
        assert clip.video.shape == (3, 25, 128, 192, 3)
        assert clip.masks.shape == (3, 25, 128, 192)
        assert clip.tracks.world.shape == (25, POINTS, 3)
        assert clip.tracks.world.dtype == np.float32
        assert len(clip.source_views) == len(clip.load_sources()) == 1
        assert clip.load_sources()[0].shape == (25, 128, 192, 3)
        for view, frames in zip(clip.views, clip.video, strict=True):
            np.testing.assert_array_equal(view.image, frames[0])


def test_hands_and_objects_stay_in_every_picture_and_before_the_wall(demo):
    for clip in (loaded.clip for loaded in demo):
        height, width = clip.size
        for camera in clip.cameras:
            pixels = project(to_camera(clip.tracks.world.astype(float), camera.R, camera.t), camera.K)
            inside = ((pixels > -0.5) & (pixels < [width - 0.5, height - 0.5])).all(axis=-1)
            assert inside.mean() > 0.97


def test_a_clip_is_generated_once_and_says_so_before(tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    told = []
    dataset = SyntheticDataset.open(None, told.append)
    entry = dataset.manifest("val").entries[0]
    assert list(tmp_path.iterdir()) == []
    first = dataset.load(entry)
    assert told == [f"generating synthetic clip {entry.id}"]
    assert [path.name for path in tmp_path.iterdir()] == [f"synthetic@1-{generator_version()}"]
    second = SyntheticDataset.open(None, told.append).load(entry)
    assert len(told) == 1
    np.testing.assert_array_equal(first.tracks.world, second.tracks.world)


def test_splits_and_their_alias():
    dataset = SyntheticDataset.open(None)
    assert dataset.default_split in dataset.splits()
    assert dataset.manifest("test") == dataset.manifest("test_seen")
    assert dataset.manifest("test").split == "synthetic@1/test_seen"
    with pytest.raises(UnknownName, match="did you mean test_seen"):
        dataset.manifest("test_sen")


def test_wide_clips_are_clips_of_their_own(tmp_path):
    dataset = SyntheticDataset.open(tmp_path)
    entry = dataset.manifest("synthetic-wide@1/demo").entries[0]
    assert entry.id == dataset.manifest("demo").entries[0].id
    clip = dataset.load(entry)
    assert tuple(view.id for view in clip.views) == entry.serials
    assert [path.name for path in tmp_path.iterdir()] == [f"synthetic-wide@1-{generator_version()}"]
    assert "synthetic-wide@1/demo" in dataset.splits()
    with pytest.raises(UnknownName, match="did you mean synthetic-wide@1/demo"):
        dataset.manifest("synthetic-wide@2/demo")


def test_a_clip_of_no_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="20990101_001"):
        SyntheticDataset.open(tmp_path).load(ClipEntry("20990101_001"))


def test_the_version_follows_the_generators_code(monkeypatch):
    version = generator_version()
    assert len(version) == 12
    generator_version.cache_clear()
    monkeypatch.setattr(module, "_GENERATOR", module._GENERATOR[1:])
    assert generator_version() != version
    generator_version.cache_clear()


NO_PART = {
    "base", "cache", "cards", "manifests", "registry", "releases",  # about which clips there are and where, not what they are
}  # fmt: skip


def test_all_code_that_a_clip_passes_through_decides_the_version(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hoibench.datasets.synthetic.dataset import SyntheticDataset as S; "
        "d = S.open(Path(sys.argv[1])); c = d.load(d.manifest('demo').entries[0]); c.video, c.masks; "
        "print(*(m.removeprefix('hoibench.datasets.') for m in sys.modules if m.startswith('hoibench.datasets.')))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    root = Path(module.__file__).parents[1]
    passed = {name for name in done.stdout.split() if (root / f"{name.replace('.', '/')}.py").is_file()} - NO_PART
    assert {"synthetic.render", "taco.tracks", "surfaces"} <= passed
    known = {f"datasets/{name.replace('.', '/')}.py" for name in passed}
    assert {
        name for name in known if not any(name == g or name.startswith(f"{g}/") for g in module._GENERATOR)
    } == set()


def test_splits_are_listed_without_the_heavy_libraries():
    code = (
        "import sys; from hoibench.datasets.synthetic.dataset import SyntheticDataset as S; "
        "S.open(None).manifest('demo'); "
        "print([m for m in ('torch', 'scipy', 'pandas', 'cv2', 'av', 'trimesh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
