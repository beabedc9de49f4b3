import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.datasets.manifests import Splits, shipped_splits
from hoibench.datasets.releases import Release

HASH = "0" * 64
WORDS = st.text(max_size=5)
TEXTS = st.dictionaries(WORDS, WORDS, max_size=2)


@st.composite
def releases(draw):
    parts = draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, unique=True))
    return Release(
        generator=draw(WORDS),
        seed=draw(st.none() | st.integers(0, 9)),
        aliases=draw(st.dictionaries(st.sampled_from(["S1", "S2"]), st.sampled_from(parts))),
        files=dict.fromkeys(parts, HASH),
        counts=draw(st.just({}) | st.just(dict.fromkeys(parts, 3))),
        tags=draw(TEXTS),
        recipe=draw(TEXTS),
        cameras=draw(WORDS),
        made_from=draw(st.dictionaries(WORDS, st.just(HASH), max_size=2)),
        made_with=draw(TEXTS),
        credit=draw(WORDS),
    )


@given(releases())
def test_a_release_comes_back_as_it_was_written(release):
    assert Release.from_bytes(release.to_bytes(), "x") == release


GOOD = json.loads(Release("me", 1, {"test": "val"}, {"val": HASH}, {"val": 3}).to_bytes())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "hoibench-splits/9"}, "x has schema 'hoibench-splits/9', this hoibench reads 'hoibench-splits/1'"),
        ({"aliasses": {}}, "x has a key 'aliasses'"),
        ({"generator": 3}, "x: generator is 3"),
        ({"seed": True}, "x: seed is True"),
        ({"seed": -1}, "x: seed is -1"),
        ({"aliases": {"test": ["val"]}}, "x: aliases is"),
        ({"aliases": {"test": "train"}}, "x: alias 'test' of 'train' fits no part"),
        ({"aliases": {"val": "val"}}, "x: alias 'val' of 'val' fits no part"),
        ({"files": {}}, "x: files is {}"),
        ({"files": {"val": "0123"}}, "x: files is"),
        ({"counts": {"val": "3"}}, "x: counts is"),
        ({"counts": {"train": 3}}, "x: counts and files name different parts"),
        ({"counts": [3]}, "x: counts is"),
        ({"tags": {"a": 1}}, "x: tags is"),
        ({"made_from": {"list": "0123"}}, "x: made_from is"),
        ({"credit": None}, "x: credit is None"),
    ],
)
def test_what_a_manifest_cannot_say_is_refused(changes, message):
    with pytest.raises(ValueError) as caught:
        Release.from_bytes(json.dumps({**GOOD, **changes}).encode(), "x")
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["generator", "seed", "aliases", "files"])
def test_what_is_missing_is_named(key):
    with pytest.raises(ValueError, match=f"x lacks {key}"):
        Release.from_bytes(json.dumps({k: v for k, v in GOOD.items() if k != key}).encode(), "x")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"3"])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(ValueError, match="x is not JSON|x has schema None"):
        Release.from_bytes(data, "x")


def test_every_shipped_manifest_is_written_as_it_is_read():
    for splits in shipped_splits():
        again = splits.release.to_bytes()
        assert Release.from_bytes(again, splits.name) == splits.release
        counted = {part: len(splits.lines(part)) for part in splits.release.files}
        assert splits.release.counts in ({}, counted)


def test_synthetic_manifests_kept_their_bytes():
    assert b'"counts"' not in Splits("synthetic@1").release.to_bytes()
