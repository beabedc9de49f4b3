import pytest

from hoibench.methods.spec import Spec, parse_spec


def test_a_spec_from_toml():
    spec = parse_spec(
        "x/spec.toml", {"id": "wan", "entry": "a:B", "families": ["i2v"], "outputs": ["video"], "name": "WAN"}
    )
    assert spec.families == ("i2v",)
    assert spec.title == "WAN"
    assert spec.privileges == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"entry": "a:B"}, "key 'id' is missing"),
        ({"id": "a", "enrty": "a:B"}, "unknown key 'enrty'"),
        ({"id": "a", "kind": "reference"}, "unknown key 'kind'"),
        ({"id": "a", "families": ["i2x"]}, "families holds 'i2x', expected one of i2v"),
        ({"id": "a", "scale": "affine"}, "scale holds 'affine'"),
        ({"id": 5}, "id is 5"),
        ({"id": "a", "name": 3}, "name is 3"),
        ({"id": "a", "name": "x" * 501}, "at most 500 characters"),
        ({"id": "a", "name": "\x1b[31m"}, "expected printable text"),
        ({"id": "a", "name": "\ud800"}, "expected printable text"),
        ({"id": "a" * 101}, "at most 100 letters"),
        ({"id": "a", "outputs": "tracks"}, "outputs is 'tracks', expected a list"),
        ({"id": "../a"}, "no folder name"),
        ({"id": "/a"}, "no folder name"),
        ({"id": "a//b"}, "no folder name"),
    ],
)
def test_errors_name_file_key_and_value(table, message):
    with pytest.raises(ValueError, match="x/spec.toml") as caught:
        parse_spec("x/spec.toml", table)
    assert message in str(caught.value)


def test_privileges_are_declared():
    spec = Spec("a", families=("v2v", "vto4r"), outputs=("tracks",), pairing="query")
    assert spec.privileges == ("source view", "target videos", "query anchors")
