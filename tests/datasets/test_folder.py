"""A clip of one's own, written and read back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hoibench.datasets.folder import clip_folders, read_clip, write_clip
from hoibench.datasets.registry import open_dataset
from hoibench.store import read_npz, write_npz

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def clip():
    dataset = open_dataset("toy", None)
    return dataset.load(dataset.manifest("demo").entries[0])


@pytest.fixture
def folder(tmp_path, clip):
    write_clip(tmp_path / clip.id, clip)
    return tmp_path / clip.id


def test_a_clip_round_trips(clip, folder):
    back = read_clip(folder)
    assert np.array_equal(back.tracks.world, clip.tracks.world)
    assert np.array_equal(back.tracks.visible, clip.tracks.visible)
    assert all(
        np.array_equal(a.R, b.R) and np.array_equal(a.K, b.K) for a, b in zip(back.cameras, clip.cameras, strict=True)
    )
    assert back.video.shape == clip.video.shape


def test_what_was_not_recorded_round_trips(tmp_path, clip):
    recorded = np.ones(clip.tracks.world.shape[:2], dtype=bool)
    recorded[-1] = False
    tracks = replace(clip.tracks, recorded=recorded, visible=clip.tracks.visible & recorded)
    write_clip(tmp_path / "c", replace(clip, tracks=tracks, valid_frames=clip.frames - 1))
    back = read_clip(tmp_path / "c")
    assert np.array_equal(back.tracks.recorded, recorded)
    assert back.valid_frames == clip.frames - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda facts: facts | {"schema": "hoibench/clip@2"},
            r"schema is 'hoibench/clip@2', expected 'hoibench/clip@1'",
        ),
        (lambda facts: {}, "schema is None"),
        (lambda facts: [facts], "holds no object"),
        (lambda facts: {k: v for k, v in facts.items() if k != "fps"}, "does not describe a clip .KeyError: 'fps'"),
        (lambda facts: facts | {"views": 3}, "does not describe a clip .TypeError"),
        (lambda facts: facts | {"prompt": 3}, "does not describe a clip .ValueError: prompt is 3, expected a text"),
    ],
)
def test_facts_are_checked(folder, change, message):
    path = folder / "clip.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=rf"clip\.json:? {message}"):
        read_clip(folder)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"clip\.json is not strict JSON"):
        read_clip(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_clip(folder)


def test_masks_are_checked_before_a_metric_needs_them(clip, folder):
    arrays = read_npz(folder / "tracks.npz")
    masks = np.zeros((2, clip.frames, *clip.size), bool)
    write_npz(folder / "tracks.npz", arrays | {"masks": masks})
    assert np.array_equal(read_clip(folder).masks, masks)
    for wrong in (masks.astype(np.uint8), masks[:, 1:]):
        write_npz(folder / "tracks.npz", arrays | {"masks": wrong})
        with pytest.raises(ValueError, match=r"tracks\.npz: masks has (dtype uint8|shape)"):
            read_clip(folder)
    write_npz(folder / "tracks.npz", arrays | {"visible": arrays["visible"].astype(np.uint8)})
    with pytest.raises(ValueError, match=r"tracks\.npz: Tracks\.visible has dtype uint8, expected bool"):
        read_clip(folder)


def test_a_root_must_hold_clips(tmp_path, folder):
    assert clip_folders(tmp_path) == [folder]
    with pytest.raises(FileNotFoundError, match="no clips here"):
        clip_folders(folder)
