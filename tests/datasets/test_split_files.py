import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import (
    SPLITS_FOLDER,
    Release,
    SplitLine,
    VersionedSplit,
    all_splits,
    format_lines,
    parse_lines,
)
from hoibench.plugins import UnknownName

WORDS = st.text(min_size=1, max_size=8)
LINES = st.builds(
    SplitLine,
    st.builds(
        ClipEntry,
        WORDS,
        st.none() | st.tuples(WORDS, WORDS, WORDS),
        st.none() | st.tuples(WORDS, WORDS),
        st.lists(WORDS, max_size=3).map(tuple),
        st.integers(0, 99),
        st.lists(WORDS, max_size=2).map(tuple),
    ),
    st.none() | WORDS,
    st.dictionaries(WORDS, st.integers()),
)


@given(st.lists(LINES, max_size=4, unique_by=lambda line: line.entry.id))
def test_lines_round_trip(lines):
    ordered = tuple(sorted(lines, key=lambda line: line.entry.id))
    for separators in ((",", ":"), (", ", ": ")):
        assert parse_lines(format_lines(ordered, separators), "x") == ordered


GOOD = json.loads(
    format_lines((SplitLine(ClipEntry("a", ("t", "act", "o"), ("001", "002"), ("1", "2", "3")), "4", {"seed": 1}),))
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "unknown key 'extra'"),
        ({"id": 3}, "id is 3: "),
        ({"start": "0"}, "start is '0': "),
        ({"start": True}, "start is True: "),
        ({"triplet": ["a", "b"]}, r"the key 'triplet\[2\]' is missing"),
        ({"triplet": ["a", "b", "c", "d"]}, "triplet is .*at most 3"),
        ({"instances": "001"}, "instances is '001': "),
        ({"serials": [1]}, r"serials\[0\] is 1: "),
        ({"tags": None}, "tags is None: "),
        ({"source": 4}, "source is 4: "),
        ({"recipe": []}, r"recipe is \[\]: "),
    ],
)
def test_an_invalid_line_is_named_by_file_and_number(changes, message):
    text = json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "id": "b", **changes}) + "\n"
    with pytest.raises(ValueError, match=f"file, line 2: {message}"):
        parse_lines(text.encode(), "file")


@pytest.mark.parametrize("text", [b"{", b"[]", b"3", b"", b"\xff"])
def test_a_line_that_is_not_an_object_is_refused(text):
    with pytest.raises(ValueError, match="file, line 1: "):
        parse_lines(text + b"\n", "file")


@pytest.mark.parametrize("key", GOOD)
def test_a_line_without_a_key_is_refused(key):
    text = json.dumps({name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(ValueError, match=f"file, line 1: the key '{key}' is missing"):
        parse_lines(text.encode(), "file")


@pytest.mark.parametrize(
    ("split", "part", "clips", "split_id"),
    [
        ("taco-syncmv4d@1", "test_unseen", 84, "d71d0ff7626f"),
        ("taco-syncmv4d-marker-removed@1", "test_unseen", 78, "65b763988adb"),
        ("taco-syncmv4d-frame0@1", "test_unseen", 84, "48eb1ce00191"),
        ("taco-disentangled@1", "test_unseen", 245, "a05fcd25397a"),
        ("taco-disentangled-marker-removed@1", "test_unseen", 230, "93246f42cf9a"),
        ("taco-official@1", "test_1", 225, "ece5b282ad03"),
        ("taco-official-marker-removed@1", "test_1", 215, "bec35b8a73fc"),
        ("taco-syncmv4d@2", "test_unseen", 84, "fd6b546d623a"),
        ("taco-syncmv4d@2", "val", 234, "d426cce559f4"),
        ("taco-syncmv4d-marker-removed@2", "test_unseen", 78, "ca0320739cf1"),
        ("taco-syncmv4d-frame0@2", "test_unseen", 84, "7aca9ab280f5"),
        ("taco-disentangled@2", "test_unseen", 245, "780a867d6c6c"),
        ("taco-disentangled-marker-removed@2", "test_unseen", 230, "1663994a961b"),
        ("taco-official@2", "test_1", 225, "de7131b78842"),
        ("taco-official-marker-removed@2", "test_1", 215, "1ee950137ddc"),
    ],
)
def test_released_parts_of_taco_never_change(split, part, clips, split_id):
    """Published scores name these ids; a change needs a new version of the split."""
    manifest = VersionedSplit(split).manifest(part)
    assert manifest.split_id == split_id
    assert len(manifest.entries) == clips


def test_a_changed_file_is_refused(tmp_path):
    shutil.copytree(SPLITS_FOLDER / "synthetic@2", tmp_path / "synthetic@2")
    part = tmp_path / "synthetic@2" / "demo.jsonl"
    part.write_text(part.read_text().replace('"start": 0', '"start": 1', 1))
    splits = VersionedSplit("synthetic@2", tmp_path)
    assert len(splits.manifest("val").entries) == 24
    with pytest.raises(ValueError, match=r"demo\.jsonl has sha256"):
        splits.manifest("demo")


@given(st.integers(0), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_refused(tmp_path_factory, place, change):
    root = tmp_path_factory.mktemp("splits")
    shutil.copytree(SPLITS_FOLDER / "taco-syncmv4d@1", root / "x@1")
    part = root / "x@1" / "test_unseen.jsonl"
    data = bytearray(part.read_bytes())
    data[place % len(data)] ^= change
    part.write_bytes(data)
    with pytest.raises(ValueError, match=r"test_unseen\.jsonl has sha256"):
        VersionedSplit("x@1", root).lines("test_unseen")


def test_another_schema_is_refused(tmp_path):
    (tmp_path / "x@1").mkdir()
    (tmp_path / "x@1" / "manifest.json").write_text('{"schema": "hoibench/splits@9"}')
    with pytest.raises(
        ValueError, match=r"manifest\.json: schema is 'hoibench/splits@9', expected 'hoibench/splits@1'"
    ):
        VersionedSplit("x@1", tmp_path)


def test_a_version_without_its_manifest_is_told_from_one_that_never_was(tmp_path):
    (tmp_path / "x@1").mkdir()
    with pytest.raises(FileNotFoundError, match=r"manifest\.json is missing"):
        VersionedSplit("x@1", tmp_path)
    (tmp_path / "x@1" / "manifest.json").touch()
    with pytest.raises(UnknownName, match="x@1"):
        VersionedSplit("y@1", tmp_path)


def test_an_unknown_part_gets_the_nearest_names():
    with pytest.raises(UnknownName, match="did you mean train"):
        VersionedSplit("synthetic@2").manifest("trian")


HASH = "0" * 64
SHORT = st.text(max_size=5)
TEXTS = st.dictionaries(SHORT, SHORT, max_size=2)


@st.composite
def releases(draw):
    parts = draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, unique=True))
    return Release(
        generator=draw(SHORT),
        seed=draw(st.none() | st.integers(0, 9)),
        aliases=draw(st.dictionaries(st.sampled_from(["S1", "S2"]), st.sampled_from(parts))),
        files=dict.fromkeys(parts, HASH),
        counts=draw(st.just({}) | st.just(dict.fromkeys(parts, 3))),
        tags=draw(TEXTS),
        recipe=draw(TEXTS),
        membership=draw(SHORT),
        cameras=draw(SHORT),
        made_from=draw(st.dictionaries(SHORT, st.just(HASH), max_size=2)),
        made_with=draw(TEXTS),
        credit=draw(SHORT),
    )


def read(table):
    """Read a manifest.json that holds ``table``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        path.write_text(json.dumps(table))
        return Release.read(path)


@given(releases())
def test_a_release_round_trips(release):
    assert read(json.loads(release.to_bytes())) == release


MANIFEST = json.loads(
    Release(generator="me", seed=1, aliases={"test": "val"}, files={"val": HASH}, counts={"val": 3}).to_bytes()
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "hoibench/splits@9"}, "schema is 'hoibench/splits@9', expected 'hoibench/splits@1'"),
        ({"aliasses": {}}, "unknown key 'aliasses': did you mean 'aliases'?"),
        ({"generator": 3}, "generator is 3: "),
        ({"seed": True}, "seed is True: "),
        ({"seed": -1}, "seed is -1: "),
        ({"aliases": {"test": ["val"]}}, "aliases.test is ['val']: "),
        ({"files": {}}, "files is empty"),
        ({"files": {"val": "0123"}}, "files.val is '0123': "),
        ({"files": {"val": HASH + "\n"}}, "files.val is '000"),
        ({"counts": {"val": "3"}}, "counts.val is '3': "),
        ({"counts": {"val": -1}}, "counts.val is -1: "),
        ({"counts": [3]}, "counts is [3]: "),
        ({"tags": {"a": 1}}, "tags.a is 1: "),
        ({"made_from": {"list": "0123"}}, "made_from.list is '0123': "),
        ({"credit": None}, "credit is None: "),
    ],
)
def test_an_invalid_manifest_is_refused(changes, message):
    with pytest.raises(ValueError) as caught:
        read(MANIFEST | changes)
    assert f"manifest.json: {message}" in str(caught.value)


@pytest.mark.parametrize("key", ["generator", "seed", "aliases", "files"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"the key '{key}' is missing"):
        read({k: v for k, v in MANIFEST.items() if k != key})


def test_every_shipped_manifest_round_trips():
    for splits in all_splits():
        assert splits.release.to_bytes() == (SPLITS_FOLDER / splits.name / "manifest.json").read_bytes()
        counted = {part: len(splits.lines(part)) for part in splits.release.files}
        assert splits.release.counts in ({}, counted)


def test_every_shipped_part_is_sorted_without_repetition():
    for splits in all_splits():
        for part in splits.release.files:
            ids = [line.entry.id for line in splits.lines(part)]
            assert ids == sorted(set(ids))


def test_clips_with_the_same_cameras_have_the_same_source_camera_in_all_versions_of_the_taco_splits():
    """A clip is found by its id, cameras and recipe, see ``TacoDataset.load``."""
    sources = {}
    for splits in all_splits():
        if splits.name.startswith("taco-"):
            for line in (line for part in splits.release.files for line in splits.lines(part)):
                clip = line.entry.id, line.entry.camera_ids
                assert sources.setdefault(clip, line.source) == line.source


def test_every_alias_is_a_new_name_of_a_part():
    for splits in all_splits():
        parts, aliases = splits.release.files.keys(), splits.release.aliases
        assert set(aliases.values()) <= parts and not aliases.keys() & parts


def test_synthetic_manifests_kept_their_bytes():
    assert b'"counts"' not in VersionedSplit("synthetic@2").release.to_bytes()
