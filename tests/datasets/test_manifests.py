import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.datasets.base import ClipEntry
from hoibench.datasets.manifests import SHIPPED, Line, Splits, format_lines, parse_lines
from hoibench.plugins import UnknownName

WORDS = st.text(min_size=1, max_size=8)
LINES = st.builds(
    Line,
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
def test_lines_come_back_as_they_were_written(lines):
    ordered = tuple(sorted(lines, key=lambda line: line.entry.id))
    for separators in ((",", ":"), (", ", ": ")):
        assert parse_lines(format_lines(ordered, separators), "x") == ordered


GOOD = Line(ClipEntry("a", ("t", "act", "o"), ("001", "002"), ("1", "2", "3")), "4", {"seed": 1}).to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "keys are not"),
        ({"id": 3}, "id must be"),
        ({"start": "0"}, "id must be a string and start"),
        ({"triplet": ["a", "b"]}, "triplet has 2 items"),
        ({"instances": "001"}, "instances must be a list"),
        ({"serials": [1]}, "serials must be a list"),
        ({"tags": None}, "tags must be a list"),
        ({"source": 4}, "source must be"),
        ({"recipe": []}, "recipe must be"),
    ],
)
def test_a_broken_line_is_named_by_file_and_number(changes, message):
    text = json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "id": "b", **changes}) + "\n"
    with pytest.raises(ValueError, match=f"file, line 2 is no clip: .*{message}"):
        parse_lines(text.encode(), "file")


def test_lines_out_of_order_or_twice_are_refused():
    for second in ("a", "A"):
        text = json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "id": second}) + "\n"
        with pytest.raises(ValueError, match="not sorted by id"):
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
    ],
)
def test_a_released_part_of_taco_is_what_it_was(split, part, clips, split_id):
    """Scores are published with these ids: another list of clips is another version of the split."""
    manifest = Splits(split).manifest(part)
    assert manifest.split_id == split_id
    assert len(manifest.entries) == clips


def test_a_changed_file_is_refused(tmp_path):
    shutil.copytree(SHIPPED / "synthetic@1", tmp_path / "synthetic@1")
    part = tmp_path / "synthetic@1" / "demo.jsonl"
    part.write_text(part.read_text().replace('"start": 0', '"start": 1', 1))
    splits = Splits("synthetic@1", tmp_path)
    assert len(splits.manifest("val").entries) == 24
    with pytest.raises(ValueError, match=r"demo\.jsonl has sha256"):
        splits.manifest("demo")


@given(st.integers(0), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_refused(tmp_path_factory, place, change):
    root = tmp_path_factory.mktemp("splits")
    shutil.copytree(SHIPPED / "taco-syncmv4d@1", root / "x@1")
    part = root / "x@1" / "test_unseen.jsonl"
    data = bytearray(part.read_bytes())
    data[place % len(data)] ^= change
    part.write_bytes(data)
    with pytest.raises(ValueError, match=r"test_unseen\.jsonl has sha256"):
        Splits("x@1", root).lines("test_unseen")


def test_a_schema_of_another_time_is_refused(tmp_path):
    (tmp_path / "x@1").mkdir()
    (tmp_path / "x@1" / "manifest.json").write_text('{"schema": "hoibench-splits/9"}')
    with pytest.raises(ValueError, match="schema 'hoibench-splits/9'"):
        Splits("x@1", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"manifest\.json is missing"):
        Splits("y@1", tmp_path)


def test_an_unknown_part_gets_the_nearest_names():
    with pytest.raises(UnknownName, match="did you mean train"):
        Splits("synthetic@1").manifest("trian")
