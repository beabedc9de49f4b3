"""Folders of videos: what is in them comes back, and what is wrong with them is said."""

import json
import shutil

import numpy as np
import pytest

from hoibench.datasets.videos import VideosDataset
from hoibench.plugins import UnknownName
from hoibench.video import VideoError, encode

MANIFEST = {
    "schema": "hoibench/videos@1",
    "fps": 8,
    "frames": 3,
    "height": 32,
    "width": 48,
    "views": ["left", "right"],
    "source_view": "left",
    "clips": [{"id": "b", "prompt": "stir"}, {"id": "a", "prompt": None}],
    "methods": {"das": {"name": "DaS", "paper": "a paper"}, "mine": {"name": "Mine"}},
    "path": "{method}/{clip}/{view}.mp4",
    "source": "a page",
    "licence": "CC BY-SA 4.0",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    (root / "manifest.json").write_text(json.dumps(MANIFEST))
    video = root / "video.mp4"
    encode(video, np.full((3, 32, 48, 3), 90, np.uint8), fps=8)
    for method in ("das", "mine"):
        for clip in ("a", "b"):
            (root / method / clip).mkdir(parents=True)
            for view in ("left", "right"):
                shutil.copy(video, root / method / clip / f"{view}.mp4")
    return root


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "videos")


def rewrite(root, **changes):
    table = {key: value for key, value in {**MANIFEST, **changes}.items() if value is not ...}
    (root / "manifest.json").write_text(json.dumps(table))


def entry(dataset, id="a"):
    return next(entry for entry in dataset.manifest("all").entries if entry.id == id)


def test_clips_come_sorted_with_all_views_and_no_truth(whole):
    dataset = VideosDataset.open(whole)
    assert [e.id for e in dataset.manifest(dataset.default_split).entries] == ["a", "b"]
    clip = dataset.load(entry(dataset, "b"))
    assert [view.id for view in clip.views] == ["left", "right"]  # the source view, left, is scored like any other
    assert (clip.prompt, clip.fps, clip.frames, clip.size) == ("stir", 8.0, 3, (32, 48))
    assert clip.video is clip.masks is clip.tracks is clip.cameras is clip.truth is None
    assert (dataset.grid.views, dataset.grid.frames, dataset.grid.size) == (2, 3, (32, 48))
    assert not dataset.has_truth


def test_the_split_id_of_a_folder_is_what_it_was(whole):
    """Scores are published with these ids."""
    assert VideosDataset.open(whole).manifest("all").split_id == "df099e7c3c04"


def test_published_outputs_are_the_files_themselves(whole):
    dataset = VideosDataset.open(whole)
    assert dataset.published() == {"das": "DaS", "mine": "Mine"}
    prediction = dataset.published_prediction("das", entry(dataset))
    assert prediction.video == (whole / "das/a/left.mp4", whole / "das/a/right.mp4")
    assert prediction.provenance["licence"] == "CC BY-SA 4.0"
    assert prediction.provenance["source_view"] == "left"


def test_the_split_id_follows_the_content_not_the_layout_of_the_manifest(root):
    before = VideosDataset.open(root).manifest("all").split_id
    assert len(before) == 12
    (root / "manifest.json").write_text(json.dumps(dict(reversed(MANIFEST.items())), indent=3))
    assert VideosDataset.open(root).manifest("all").split_id == before
    rewrite(root, fps=9)
    assert VideosDataset.open(root).manifest("all").split_id != before


def test_unknown_names_give_the_nearest(whole):
    dataset = VideosDataset.open(whole)
    with pytest.raises(UnknownName, match="split 'al'.*all"):
        dataset.manifest("al")
    with pytest.raises(UnknownName, match="method 'dos': did you mean das"):
        dataset.published_prediction("dos", entry(dataset))
    other = entry(dataset).__class__("c")
    for ask in (dataset.load, lambda e: dataset.published_prediction("das", e)):
        with pytest.raises(UnknownName, match="unknown clip 'c'"):
            ask(other)


def test_a_missing_root_or_manifest_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="--root DIR"):
        VideosDataset.open(None)
    for root in (tmp_path / "gone", tmp_path):
        with pytest.raises(FileNotFoundError, match=str(root / "manifest.json")):
            VideosDataset.open(root)


@pytest.mark.parametrize("text", ["", "{", "\xff\xfe", '{"schema": 1}', "[]", "null"])
def test_a_file_that_is_no_manifest_is_refused(root, text):
    (root / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=str(root / "manifest.json")):
        VideosDataset.open(root)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "hoibench/videos@2"}, "schema is 'hoibench/videos@2'"),
        ({"fps": ...}, "the key 'fps' is missing"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"fps": "8"}, "fps is '8'"),
        ({"fps": float("nan")}, "NaN"),
        ({"frames": 0}, "frames is 0: "),
        ({"height": True}, "height is True: "),
        ({"views": []}, "views is"),
        ({"views": ["left", "left"]}, "one id twice"),
        ({"views": ["../left", "right"]}, r"views\[0\]: '../left' is no id"),
        ({"source_view": "up"}, "source_view is 'up', expected one of the views"),
        ({"clips": [{"prompt": None}]}, r"the key 'clips\[0\].id' is missing"),
        ({"clips": [{"id": ".."}]}, r"clips\[0\].id: '\.\.' is no id"),
        ({"clips": [{"id": "a"}, {"id": "a"}]}, "one id twice"),
        ({"clips": [{"id": "a", "prompt": 3}]}, r"clips\[0\].prompt is 3: "),
        ({"methods": {}}, "methods is"),
        ({"methods": {"das": {}}}, "the key 'methods.das.name' is missing"),
        ({"methods": {"a/b": {"name": "x"}}}, "methods.a/b.*'a/b' is no id"),
        ({"path": 3}, "path is 3: "),
        ({"path": "{method}/{clip}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "../{method}/{clip}/{view}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "/{method}/{clip}/{view}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "{method}/{clip}/{view}{0}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "{method.__class__}/{clip}/{view}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "{method}/{clip}/{view:>99}.mp4"}, "path: .* is no template: expected a relative path"),
        ({"path": "{method}/{clip}/{view!r}"}, "path: .* is no template: expected a relative path"),
        ({"path": "c:{method}/{clip}/{view}"}, "path: .* is no template: expected a relative path"),
        ({"path": "..\\\\{method}/{clip}/{view}"}, "path: .* is no template: expected a relative path"),
        ({"fps": 0}, "fps is 0"),
        ({"width": -2}, "width is -2: "),
        ({"frames": 3.5}, "frames is 3.5: "),
        ({"views": ["x" * 129, "right"]}, "is no id"),
        ({"clips": []}, r"clips is \[\]: "),
        ({"licence": 3}, "licence is 3: "),
        ({"methods": {"das": {"name": "x", "papr": "y"}}}, "unknown key 'methods.das.papr'"),
        ({"path": "{method}/{clip}/{view"}, "path: .* is no template: expected a relative path"),
    ],
)
def test_a_manifest_with_something_wrong_in_it_is_refused(root, changes, said):
    rewrite(root, **changes)
    with pytest.raises(ValueError, match=said) as caught:
        VideosDataset.open(root)
    assert str(root / "manifest.json") in str(caught.value)


def test_a_methods_id_follows_its_own_files_and_no_others(root):
    before = VideosDataset.open(root).published_digest("das")
    encode(root / "mine/a/left.mp4", np.zeros((3, 32, 48, 3), np.uint8), fps=8)
    (root / "das/notes.txt").write_text("not a view")
    assert VideosDataset.open(root).published_digest("das") == before
    encode(root / "das/b/right.mp4", np.zeros((3, 32, 48, 3), np.uint8), fps=8)
    changed = VideosDataset.open(root).published_digest("das")
    (root / "das/b/right.mp4").unlink()
    assert len({before, changed, VideosDataset.open(root).published_digest("das")}) == 3


@pytest.mark.parametrize(("fps", "fits"), [(8.07, True), (8.09, False), (7.93, True), (7.91, False)])
def test_rates_agree_to_a_hundredth(root, fps, fits):
    encode(root / "das/a/left.mp4", np.zeros((3, 32, 48, 3), np.uint8), fps=fps)
    dataset = VideosDataset.open(root)
    if fits:
        assert dataset.published_prediction("das", entry(dataset)).video
    else:
        with pytest.raises(VideoError, match=r"left\.mp4 runs at"):
            dataset.published_prediction("das", entry(dataset))


def test_a_missing_view_is_said_and_spares_the_other_clips(root):
    (root / "das/a/right.mp4").unlink()
    dataset = VideosDataset.open(root)
    with pytest.raises(FileNotFoundError, match="right.mp4"):
        dataset.published_prediction("das", entry(dataset, "a"))
    assert dataset.published_prediction("das", entry(dataset, "b")).video


@pytest.mark.parametrize(
    ("shape", "fps", "said"),
    [
        ((4, 32, 48, 3), 8, r"has frames 4, .*manifest\.json says 3"),
        ((3, 32, 64, 3), 8, r"has \(H, W\) \(32, 64\), .* says \(32, 48\)"),
        ((3, 32, 48, 3), 12, "runs at 12 fps, .* says 8"),
    ],
    ids=["length", "size", "rate"],
)
def test_a_view_unlike_the_others_is_refused(root, shape, fps, said):
    encode(root / "das/a/right.mp4", np.zeros(shape, np.uint8), fps=fps)
    dataset = VideosDataset.open(root)
    with pytest.raises(VideoError, match=said):
        dataset.published_prediction("das", entry(dataset))


def test_a_truncated_view_is_refused(root):
    path = root / "das/a/right.mp4"
    path.write_bytes(path.read_bytes()[:-50])
    dataset = VideosDataset.open(root)
    with pytest.raises(VideoError, match="right.mp4 is truncated"):
        dataset.published_prediction("das", entry(dataset))


@pytest.mark.field
def test_the_published_videos_are_whole(field_data):
    dataset = VideosDataset.open(field_data / "published")
    assert set(dataset.published()) == {"das", "syncammaster", "sv4d2", "harmohoi"}
    for clip in dataset.manifest("all").entries:
        for method in dataset.published():
            assert len(dataset.published_prediction(method, clip).video) == 6
