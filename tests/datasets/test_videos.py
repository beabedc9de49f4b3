"""The data set ``videos``: reading a folder, and the errors of an invalid one."""

import json
import shutil

import numpy as np
import pytest

from hoibench.datasets.videos import VideosDataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.preflight import preflight
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
def complete(tmp_path_factory):
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
def root(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / "videos")


def rewrite(root, **changes):
    table = {key: value for key, value in {**MANIFEST, **changes}.items() if value is not ...}
    (root / "manifest.json").write_text(json.dumps(table))


def entry(dataset, id="a"):
    return next(entry for entry in dataset.manifest("all").entries if entry.id == id)


def test_clips_come_sorted_with_all_views_and_no_truth(complete):
    dataset = VideosDataset.open(complete)
    assert [e.id for e in dataset.manifest(dataset.default_split).entries] == ["a", "b"]
    clip = dataset.load(entry(dataset, "b"))
    assert [view.id for view in clip.views] == ["left", "right"]  # the source view, left, is scored like any other
    assert (clip.prompt, clip.fps, clip.frames, clip.size) == ("stir", 8.0, 3, (32, 48))
    assert clip.video is clip.masks is clip.tracks is clip.cameras is clip.truth is None
    assert (dataset.grid.views, dataset.grid.frames, dataset.grid.size) == (2, 3, (32, 48))
    assert not dataset.has_truth


def test_the_split_id_of_a_folder_never_changes(complete):
    """Published scores name these ids."""
    assert VideosDataset.open(complete).manifest("all").split_id == "df099e7c3c04"


def test_published_outputs_are_the_files_themselves(complete):
    dataset = VideosDataset.open(complete)
    assert dataset.published() == {"das": "DaS", "mine": "Mine"}
    prediction = dataset.published_prediction("das", entry(dataset))
    assert prediction.video == (complete / "das/a/left.mp4", complete / "das/a/right.mp4")
    assert prediction.provenance["licence"] == "CC BY-SA 4.0"
    assert prediction.provenance["source_view"] == "left"


def test_the_split_id_follows_the_content_not_the_layout_of_the_manifest(root):
    before = VideosDataset.open(root).manifest("all").split_id
    assert len(before) == 12
    (root / "manifest.json").write_text(json.dumps(dict(reversed(MANIFEST.items())), indent=3))
    assert VideosDataset.open(root).manifest("all").split_id == before
    rewrite(root, fps=9)
    assert VideosDataset.open(root).manifest("all").split_id != before


def test_unknown_names_give_the_nearest(complete):
    dataset = VideosDataset.open(complete)
    with pytest.raises(UnknownName, match="split 'al'.*all"):
        dataset.manifest("al")
    with pytest.raises(UnknownName, match="method 'dos': did you mean das"):
        dataset.published_prediction("dos", entry(dataset))
    other = entry(dataset).__class__("c")
    for call in (dataset.load, lambda e: dataset.published_prediction("das", e)):
        with pytest.raises(UnknownName, match="unknown clip 'c'"):
            call(other)


def test_a_missing_root_or_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="--root DIR"):
        VideosDataset.open(None)
    for root in (tmp_path / "gone", tmp_path):
        with pytest.raises(FileNotFoundError, match=str(root / "manifest.json")):
            VideosDataset.open(root)


@pytest.mark.parametrize("text", ["", "{", "\xff\xfe", '{"schema": 1}', "[]", "null"])
def test_a_file_that_is_not_a_manifest_is_refused(root, text):
    (root / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=str(root / "manifest.json")):
        VideosDataset.open(root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "hoibench/videos@2"}, "schema is 'hoibench/videos@2'"),
        ({"fps": ...}, "the key 'fps' is missing"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"fps": "8"}, "fps is '8'"),
        ({"fps": float("nan")}, "NaN"),
        ({"frames": 0}, "frames is 0: "),
        ({"height": True}, "height is True: "),
        ({"views": []}, "views is"),
        ({"views": ["left", "left"]}, "repeated id"),
        ({"views": ["../left", "right"]}, r"views\[0\]: '../left' is not an id"),
        ({"source_view": "up"}, "source_view is 'up', expected one of the views"),
        ({"clips": [{"prompt": None}]}, r"the key 'clips\[0\].id' is missing"),
        ({"clips": [{"id": ".."}]}, r"clips\[0\].id: '\.\.' is not an id"),
        ({"clips": [{"id": "a"}, {"id": "a"}]}, "repeated id"),
        ({"clips": [{"id": "a", "prompt": 3}]}, r"clips\[0\].prompt is 3: "),
        ({"methods": {}}, "methods is"),
        ({"methods": {"das": {}}}, "the key 'methods.das.name' is missing"),
        ({"methods": {"a/b": {"name": "x"}}}, "methods.a/b.*'a/b' is not an id"),
        ({"path": 3}, "path is 3: "),
        ({"path": "{method}/{clip}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "../{method}/{clip}/{view}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "/{method}/{clip}/{view}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "{method}/{clip}/{view}{0}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "{method.__class__}/{clip}/{view}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "{method}/{clip}/{view:>99}.mp4"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "{method}/{clip}/{view!r}"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "c:{method}/{clip}/{view}"}, "path: .* is not a path template: expected a relative path"),
        ({"path": "..\\\\{method}/{clip}/{view}"}, "path: .* is not a path template: expected a relative path"),
        ({"fps": 0}, "fps is 0"),
        ({"width": -2}, "width is -2: "),
        ({"frames": 3.5}, "frames is 3.5: "),
        ({"views": ["x" * 129, "right"]}, "is not an id"),
        ({"clips": []}, "clips is empty"),
        ({"licence": 3}, "licence is 3: "),
        ({"methods": {"das": {"name": "x", "papr": "y"}}}, "unknown key 'methods.das.papr'"),
        ({"path": "{method}/{clip}/{view"}, "path: .* is not a path template: expected a relative path"),
    ],
)
def test_an_invalid_manifest_is_refused(root, changes, message):
    rewrite(root, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        VideosDataset.open(root)
    assert str(root / "manifest.json") in str(caught.value)


def test_a_methods_digest_depends_on_its_own_files_alone(root):
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
        with pytest.raises(VideoError, match=r"left\.mp4 has fps"):
            dataset.published_prediction("das", entry(dataset))


def test_a_missing_view_is_found_before_a_run(root):
    (root / "das/a/right.mp4").unlink()
    dataset = VideosDataset.open(root)
    plan = make_plan(RunConfig(dataset="videos", root=root, metrics="epipolar_error/xfeat"), dataset, "cpu")
    (problem,) = preflight(plan, dataset).refusals(keep_going=False)
    assert str(problem).startswith("published/das has 1 output that cannot be used: ") and "das/a/right.mp4" in str(
        problem
    )


def test_a_missing_view_is_named_and_affects_no_other_clip(root):
    (root / "das/a/right.mp4").unlink()
    dataset = VideosDataset.open(root)
    with pytest.raises(FileNotFoundError, match="right.mp4"):
        dataset.published_prediction("das", entry(dataset, "a"))
    assert dataset.published_prediction("das", entry(dataset, "b")).video


@pytest.mark.parametrize(
    ("shape", "fps", "message"),
    [
        ((4, 32, 48, 3), 8, r"has frames 4, expected 3 from .*manifest\.json"),
        ((3, 32, 64, 3), 8, r"has \(H, W\) \(32, 64\), expected \(32, 48\)"),
        ((3, 32, 48, 3), 12, r"has fps 12\.0, expected 8\.0"),
    ],
    ids=["length", "size", "rate"],
)
def test_a_video_that_differs_from_the_manifest_is_refused(root, shape, fps, message):
    encode(root / "das/a/right.mp4", np.zeros(shape, np.uint8), fps=fps)
    dataset = VideosDataset.open(root)
    with pytest.raises(VideoError, match=message):
        dataset.published_prediction("das", entry(dataset))


def test_a_truncated_view_is_refused(root):
    path = root / "das/a/right.mp4"
    path.write_bytes(path.read_bytes()[:-50])
    dataset = VideosDataset.open(root)
    with pytest.raises(VideoError, match="right.mp4 is truncated"):
        dataset.published_prediction("das", entry(dataset))


@pytest.mark.field
def test_the_published_videos_are_complete(field_data):
    dataset = VideosDataset.open(field_data / "published")
    assert set(dataset.published()) == {"das", "syncammaster", "sv4d2", "harmohoi"}
    for clip in dataset.manifest("all").entries:
        for method in dataset.published():
            assert len(dataset.published_prediction(method, clip).video) == 6
