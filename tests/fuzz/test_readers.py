"""Readers of files from strangers give a result or an error that names the file, whatever is in the file, and write nothing."""

import copy
import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from untrusted_readers import ALLOWED, READERS, make_folder

EXAMPLES = int(os.environ.get("HOIBENCH_FUZZ_EXAMPLES", "40"))
"""Examples of each test for each reader; docs/security.md has the result of more."""

QUICK = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

hostile_text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["../../x", "/etc/passwd", "a\0b", "\x1b[2J", "<script>", "\u202e", "\ud800", "x" * 5000, "", ".", "NaN"]),
)  # fmt: skip
numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -1, 0, 2**31, 2**63, -(2**63), 2**64, 1e308, -0.0])
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | hostile_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile_text, inner, max_size=4),
    max_leaves=6,
)


@pytest.fixture(scope="module", params=READERS)
def case(request, tmp_path_factory):
    """A reader, the folder with the file that it reads, and the bytes of a valid file."""
    folder = tmp_path_factory.mktemp("fuzz") / "files"
    return READERS[request.param], folder, make_folder(request.param, folder)


def listing(folder: Path) -> set[Path]:
    return set(folder.parent.rglob("*"))


def check(reader, folder, data):
    """Read the data; the reader may only return, or raise one of its errors, which names a file."""
    file = folder / reader.file
    file.write_bytes(data)
    before = listing(folder)
    try:
        reader.read(file)
    except ALLOWED as error:
        assert str(folder) in str(error) or file.name in str(error), f"{error!r} does not name the file"
        str(error).encode()
    assert listing(folder) == before


@settings(QUICK)
@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=b"PK\x05\x06" + bytes(18))
@example(data=b"\x93NUMPY\x01\x00\xff\xff")
@example(data=b"{}")
@example(data=b"[" * 20_000)
@example(data=b'{"a":' * 20_000)
def test_any_bytes(case, data):
    reader, folder, _ = case
    check(reader, folder, data)


def mutate(data: bytearray, draw) -> None:
    """Change, repeat, remove or add bytes at one place."""
    place = draw(st.integers(0, len(data)))
    length = draw(st.integers(0, 16))
    kind = draw(st.sampled_from(["set", "cut", "repeat", "insert", "truncate"]))
    if kind == "set":
        data[place : place + length] = draw(st.binary(min_size=length, max_size=length))
    elif kind == "cut":
        del data[place : place + length]
    elif kind == "repeat":
        data[place:place] = data[place : place + length] * draw(st.integers(1, 50))
    elif kind == "insert":
        data[place:place] = draw(st.binary(max_size=16))
    else:
        del data[place:]


@settings(QUICK)
@given(choices=st.data())
def test_damaged_files(case, choices):
    reader, folder, valid = case
    data = bytearray(valid)
    for _ in range(choices.draw(st.integers(1, 4))):
        mutate(data, choices.draw)
    check(reader, folder, bytes(data))


def places(value, path=()):
    """Yield the path of each value in nested lists and dicts."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def with_value(value, path, new):
    """Return a copy with another value at a path."""
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = with_value(value[path[0]], path[1:], new)
    return value


@settings(QUICK)
@given(choices=st.data())
def test_any_value_in_any_place(case, choices):
    reader, folder, valid = case
    if not reader.text:
        return
    text = valid.decode()
    table = tomllib.loads(text) if reader.text == "toml" else json.loads(text)
    for _ in range(choices.draw(st.integers(1, 3))):
        table = with_value(table, choices.draw(st.sampled_from(list(places(table))[1:])), choices.draw(json_values))
        if not isinstance(table, dict):
            break
    write = to_toml if reader.text == "toml" else json.dumps
    check(reader, folder, (write(table) + "\n").encode("utf-8", "surrogatepass"))


def to_toml(value) -> str:
    """Return a table as TOML of one inline value per key."""
    return "\n".join(f"{to_inline(str(key))} = {to_inline(inner)}" for key, inner in value.items())


def to_inline(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_inline(str(key))} = {to_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_inline, value)) + "]"
    if isinstance(value, float):
        return repr(value).removesuffix(".0") + (".0" if repr(value).endswith(".0") else "")
    return json.dumps(value).replace("\x7f", "\\u007f") if value is not None else '"none"'
