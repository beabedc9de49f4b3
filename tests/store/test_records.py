"""Models of file formats: records round-trip, and errors name file, key and value."""

import json
import re
from typing import ClassVar

import pytest
from pydantic import Field

from hoibench.store.records import Record, parse_record


class Camera(Record):
    serial: str
    size: tuple[int, int]


class Rig(Record):
    SCHEMA: ClassVar[str] = "hoibench/rig@1"

    name: str
    cameras: tuple[Camera, ...]
    scale: float = 1.0


RIG = Rig(name="table", cameras=(Camera(serial="22070938", size=(3000, 4096)),), scale=0.5)


def test_a_record_round_trips_through_its_file(tmp_path):
    RIG.write(tmp_path / "rig.json")
    assert Rig.read(tmp_path / "rig.json") == RIG
    table = json.loads((tmp_path / "rig.json").read_text())
    assert table["schema"] == "hoibench/rig@1" and table["cameras"] == [{"serial": "22070938", "size": [3000, 4096]}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "hoibench/rig@2"}, "schema is 'hoibench/rig@2', expected 'hoibench/rig@1'"),
        ({"name": 3}, "name is 3: input should be a valid string"),
        ({"scale": True}, "scale is True: input should be a valid number"),
        ({"scale": "1"}, "scale is '1': input should be a valid number"),
        ({"scael": 1.0}, "unknown key 'scael': did you mean 'scale'?"),
        ({"cameras": [{"serial": "a"}]}, "the key 'cameras[0].size' is missing"),
        ({"cameras": [{"serial": "a", "size": [1, 2, 3]}]}, "cameras[0].size"),
        ({"cameras": [{"serial": "a", "size": [1, 2], "sizes": 0}]}, "unknown key 'cameras[0].sizes'"),
        ({"cameras": 3}, "cameras is 3: input should be a valid"),
    ],
)
def test_invalid_values_are_named(tmp_path, change, message):
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(RIG.to_json() | change))
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        Rig.read(path)


def test_empty_values_are_said_to_be_empty():
    class Paper(Record):
        title: str = Field(min_length=2)
        authors: tuple[str, ...] = Field(min_length=1)

    with pytest.raises(ValueError, match=r"^paper.toml: title is empty; authors is empty$"):
        parse_record(Paper, {"title": "", "authors": []}, "paper.toml")
    with pytest.raises(ValueError, match="title is 'x': string should have at least 2"):
        parse_record(Paper, {"title": "x", "authors": ["a"]}, "paper.toml")


def test_all_problems_are_named_at_once_and_at_most_five():
    with pytest.raises(ValueError) as caught:
        parse_record(Rig, {"name": 1, "scale": "x"}, "rig.toml")
    assert str(caught.value).count("; ") == 2
    with pytest.raises(ValueError, match="and 3 more"):
        parse_record(Camera, {"serial": "a", "size": [1, 2], **dict.fromkeys("abcdefgh", 0)}, "rig.toml")


def test_records_are_immutable_and_reject_nan():
    with pytest.raises(ValueError, match="frozen"):
        RIG.name = "other"
    with pytest.raises(ValueError, match="finite"):
        Rig(name="a", cameras=(), scale=float("nan"))


def test_five_problems_are_named_and_the_others_counted():
    for count, more in ((5, ""), (6, "; and 1 more"), (8, "; and 3 more")):
        with pytest.raises(ValueError, match=r"^a: cameras\[0\]") as caught:
            parse_record(Rig, {"name": "a", "cameras": list(range(count))}, "a")
        text = str(caught.value)
        assert [f"cameras[{i}] is {i}: " in text for i in range(count)] == [True] * 5 + [False] * (count - 5)
        assert ("more" in text) == bool(more) and text.endswith(more)


def test_a_long_value_is_truncated_after_80_characters():
    for length, shown in ((78, f"'{'a' * 78}'"), (79, f"'{'a' * 79}...")):
        with pytest.raises(ValueError, match=re.escape(f"a: scale is {shown}: ")):
            parse_record(Rig, {"name": "a", "cameras": [], "scale": "a" * length}, "a")
