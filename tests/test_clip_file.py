"""A clip folder is written and read back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hoibench.clip_file import clip_folders, read_clip, write_clip
from hoibench.datasets.registry import open_dataset
from hoibench.rigid_object import OBJECT_PARTS, RigidObject
from hoibench.store import read_npz, write_npz
from hoibench.video import encode, probe

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
    edge = np.arange(clip.tracks.visible.size).reshape(clip.tracks.visible.shape) % 3 == 0
    write_clip(folder, replace(clip, tracks=replace(clip.tracks, depth_edge=edge)))
    back = read_clip(folder)
    assert np.array_equal(back.tracks.depth_edge, edge)
    assert np.array_equal(back.tracks.world, clip.tracks.world)
    assert np.array_equal(back.tracks.visible, clip.tracks.visible)
    assert all(
        np.array_equal(a.R, b.R) and np.array_equal(a.K, b.K) for a, b in zip(back.cameras, clip.cameras, strict=True)
    )
    assert back.video.shape == clip.video.shape
    assert np.abs(back.video.astype(int) - clip.video).mean() < 4
    assert probe(folder / "view-0.mp4").fps == clip.fps
    for name in ("id", "triplet", "prompt", "fps", "frames", "size", "truth", "valid_frames"):
        assert getattr(back, name) == getattr(clip, name), name
    assert [(view.id, view.cluster) for view in back.views] == [(view.id, view.cluster) for view in clip.views]


def test_numpy_s_numbers_are_written(tmp_path, clip):
    """A data set may give its sizes as NumPy's integers."""
    size = tuple(np.array(clip.size))
    views = tuple(
        replace(view, camera=replace(view.camera, size=tuple(np.array(view.camera.size)))) for view in clip.views
    )
    write_clip(
        tmp_path / "c",
        replace(clip, size=size, frames=np.int64(clip.frames), fps=np.float32(clip.fps), views=views, load_video=None),
    )
    back = read_clip(tmp_path / "c")
    assert (back.size, back.frames, back.fps, back.cameras[0].size) == (
        clip.size,
        clip.frames,
        clip.fps,
        clip.cameras[0].size,
    )


def test_texts_and_masks_round_trip(tmp_path, clip):
    masks = np.zeros((len(clip.views), clip.frames, *clip.size), bool)
    masks[0, 1, 2, 3] = True
    texts = {"prompt": "stir", "triplet": ("spoon", "stir", "bowl"), "truth": "measured"}
    write_clip(tmp_path / "c", replace(clip, **texts, load_masks=lambda: masks))
    back = read_clip(tmp_path / "c")
    assert {name: getattr(back, name) for name in texts} == texts
    assert np.array_equal(back.masks, masks)


def test_masks_of_a_clip_without_tracks_round_trip(tmp_path, clip):
    masks = np.ones((len(clip.views), clip.frames, *clip.size), bool)
    write_clip(tmp_path / "c", replace(clip, tracks=None, load_masks=lambda: masks))
    back = read_clip(tmp_path / "c")
    assert back.tracks is None and np.array_equal(back.masks, masks)


def test_objects_round_trip_and_are_read_on_first_use(tmp_path, clip):
    pose = {"R": np.stack([np.eye(3)] * clip.frames), "t": np.zeros((clip.frames, 3))}
    tool = RigidObject(OBJECT_PARTS[0], np.eye(3), np.array([[0, 1, 2]]), **pose)
    write_clip(tmp_path / "c", replace(clip, load_objects=lambda: (tool,), load_video=None))
    (back,) = read_clip(tmp_path / "c").objects
    assert np.array_equal(back.vertices, tool.vertices) and np.array_equal(back.R, tool.R)
    (tmp_path / "c" / "objects.npz").write_bytes(b"PK")
    damaged = read_clip(tmp_path / "c")
    with pytest.raises(ValueError, match=r"objects\.npz is not a complete npz file"):
        _ = damaged.objects


def test_a_clip_without_objects_replaces_one_with_objects(tmp_path, clip):
    tool = RigidObject(OBJECT_PARTS[0], np.eye(3), np.array([[0, 1, 2]]), np.eye(3)[None], np.zeros((1, 3)))
    write_clip(tmp_path / "c", replace(clip, frames=1, tracks=None, load_objects=lambda: (tool,), load_video=None))
    write_clip(tmp_path / "c", replace(clip, load_objects=None, load_video=None))
    assert read_clip(tmp_path / "c").objects is None


def test_a_clip_without_tracks_and_videos_is_read(tmp_path, clip):
    write_clip(tmp_path / "c", replace(clip, tracks=None, load_masks=None, load_video=None))
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["clip.json"]
    back = read_clip(tmp_path / "c")
    assert back.tracks is back.video is back.masks is back.objects is None


def test_videos_are_complete_and_have_the_size_of_the_clip(folder, clip):
    (folder / "view-1.mp4").rename(folder / "other.mp4")
    with pytest.raises(FileNotFoundError, match=r"view-1\.mp4 is missing, but view-0\.mp4 exists"):
        read_clip(folder)
    for shape in ((clip.frames + 1, *clip.size, 3), (clip.frames, clip.size[0] + 2, clip.size[1], 3)):
        encode(folder / "view-1.mp4", np.zeros(shape, np.uint8), clip.fps)
        with pytest.raises(
            ValueError,
            match=rf"view-1\.mp4 has {shape[0]} frames of {shape[1]}x{shape[2]}, expected .* from clip\.json",
        ):
            read_clip(folder)


def test_a_part_out_of_range_is_refused(folder):
    arrays = read_npz(folder / "tracks.npz")
    part = np.arange(len(arrays["part"])).astype(np.uint8) % 4
    write_npz(folder / "tracks.npz", arrays | {"part": part})
    assert np.array_equal(read_clip(folder).tracks.part, part)
    part[-1] = 4
    write_npz(folder / "tracks.npz", arrays | {"part": part})
    with pytest.raises(
        ValueError, match=r"tracks\.npz: part is 4, expected 0\.\.3: left hand, right hand, tool, target"
    ):
        read_clip(folder)


def test_unrecorded_frames_round_trip(tmp_path, clip):
    recorded = np.ones(clip.tracks.world.shape[:2], dtype=bool)
    recorded[-1] = False
    tracks = replace(clip.tracks, recorded=recorded, visible=clip.tracks.visible & recorded)
    write_clip(tmp_path / "c", replace(clip, tracks=tracks, valid_frames=clip.frames - 1))
    back = read_clip(tmp_path / "c")
    assert np.array_equal(back.tracks.recorded, recorded)
    assert back.valid_frames == clip.frames - 1


def with_view(facts, **changes):
    return facts | {"views": [facts["views"][0] | changes, *facts["views"][1:]]}


def test_views_without_a_camera_and_with_a_moving_one_round_trip(tmp_path, clip):
    camera = clip.views[1].camera
    still = np.repeat(camera.R[None], clip.frames, axis=0), np.repeat(camera.t[None], clip.frames, axis=0)
    views = (
        replace(clip.views[0], camera=None),
        replace(clip.views[1], camera=replace(camera, R=still[0], t=still[1])),
    )
    write_clip(tmp_path / "c", replace(clip, views=views, tracks=None, load_masks=None))
    bare, moving = read_clip(tmp_path / "c").views
    assert (bare.id, bare.cluster, bare.camera) == (views[0].id, views[0].cluster, None)
    np.testing.assert_array_equal(moving.camera.R, still[0])
    np.testing.assert_array_equal(moving.camera.t, still[1])
    assert moving.camera.size == camera.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda facts: facts | {"schema": "hoibench/clip@2"},
            r"schema is 'hoibench/clip@2', expected 'hoibench/clip@1'",
        ),
        (lambda facts: {}, "schema is None"),
        (lambda facts: [facts], "is not a JSON object"),
        (lambda facts: {k: v for k, v in facts.items() if k != "fps"}, "the key 'fps' is missing"),
        (lambda facts: facts | {"views": 3}, "views is 3: "),
        (lambda facts: facts | {"prompt": 3}, "prompt is 3: "),
        (lambda facts: facts | {"fps": 0}, "fps is 0"),
        (lambda facts: facts | {"fps": "8"}, "fps is '8': "),
        (lambda facts: facts | {"frames": 0}, "frames is 0: "),
        (lambda facts: facts | {"size": [0, 4]}, r"size\[0\] is 0: "),
        (lambda facts: facts | {"triplet": ["a", "b"]}, r"the key 'triplet\[2\]' is missing"),
        (lambda facts: facts | {"promt": "x"}, "unknown key 'promt': did you mean 'prompt'"),
        (lambda facts: with_view(facts, cluster="middle"), r"views\[0\].cluster is 'middle': "),
        (lambda facts: with_view(facts, id=3), r"views\[0\].id is 3: "),
        (lambda facts: with_view(facts, t=None), r"views\[0\]: a camera needs K, R, t and size, found only K, R, size"),
        (lambda facts: with_view(facts, size=None), r"views\[0\]: a camera needs .* found only K, R, t"),
        (lambda facts: with_view(facts, t=["0", "0", "1"]), r"views\[0\].t: .* is not numeric"),
        (lambda facts: with_view(facts, t=[0, [0], 1]), r"views\[0\].t: rows differ in length"),
        (lambda facts: with_view(facts, t=[0, 1]), r"views\[0\]: Camera.t has shape \(2,\)"),
        (
            lambda facts: with_view(facts, R=[[2, 0, 0], [0, 1, 0], [0, 0, 1]]),
            r"views\[0\]: Camera.R is not a rotation",
        ),
    ],
)
def test_clip_json_is_checked(folder, change, message):
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


def test_a_root_without_clips_is_refused(tmp_path, folder):
    assert clip_folders(tmp_path) == [folder]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "clip.json").write_text("{}")
    assert clip_folders(tmp_path) == sorted([folder, tmp_path / "a"])
    with pytest.raises(FileNotFoundError, match="no clips found"):
        clip_folders(folder)
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        clip_folders(tmp_path / "gone")
