import hashlib
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from hoibench.store import (
    ArrayLimits,
    canonical_json,
    json_file,
    read_json,
    read_npz,
    sha256_file,
    sha256_json,
    write_json,
    write_npz,
)


def test_json_is_strict(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_canonical_json_ignores_key_order(tmp_path):
    assert canonical_json({"b": 1, "a": [1, "ü"]}) == '{"a":[1,"ü"],"b":1}'
    assert sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
    (tmp_path / "x").write_bytes(b"")
    assert sha256_file(tmp_path / "x").startswith("e3b0c44298fc")


def test_npz_round_trip(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.zeros((0, 3), np.float16)}
    write_npz(tmp_path / "x.npz", arrays)
    back = read_npz(tmp_path / "x.npz")
    assert list(back) == list(arrays)
    assert all(np.array_equal(back[k], arrays[k]) and back[k].dtype == arrays[k].dtype for k in arrays)


def test_objects_are_never_written_or_read(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_npz(path, {"a": np.array([{}])})
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="dtype object"):
        read_npz(path)


@pytest.mark.parametrize("damage", ["text", "half", "empty"])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / "x.npz"
    write_npz(path, {"a": np.random.default_rng(0).normal(size=1000)})
    data = path.read_bytes()
    path.write_bytes({"text": b"hello", "half": data[: len(data) // 2], "empty": b""}[damage])
    with pytest.raises(ValueError, match="x.npz"):
        read_npz(path)


def test_a_false_header_is_an_error(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue() + b"\0" * 8)
    with pytest.raises(ValueError, match=r"its header \(shape .* does not match its size"):
        read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["../a.npy", "dir/a.npy", "a.txt"])
def test_foreign_members_are_an_error(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ValueError, match="not an array"):
        read_npz(tmp_path / "x.npz")


def test_provenance_is_json_and_says_what_ran():
    from hoibench.store.provenance import provenance

    facts = json.loads(json.dumps(provenance(), allow_nan=False))
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["command"].startswith("python")


def test_git_state_is_none_outside_a_checkout(tmp_path):
    from hoibench.store.provenance import git_state

    assert git_state(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not strict JSON"),
        ('{"schema": "a@1", "x": NaN}', "NaN is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"schema": "a@2"}', "schema is 'a@2', expected 'a@1'"),
        ("[" * 100_000, "is not strict JSON"),
        ("\ud800".encode("utf-16", "surrogatepass"), "is not strict JSON"),
    ],
)
def test_invalid_json_is_an_error(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="a.json") as caught:
        read_json(path, "a@1")
    assert message in str(caught.value)


def test_the_size_limit_of_json_files(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"schema": "a@1"})
    size = path.stat().st_size
    monkeypatch.setattr(json_file, "MAX_BYTES", size)
    assert read_json(path, "a@1") == {"schema": "a@1"}
    monkeypatch.setattr(json_file, "MAX_BYTES", size - 1)
    with pytest.raises(ValueError, match=rf"a\.json has {size} bytes, expected at most {size - 1}"):
        read_json(path, "a@1")


def test_every_byte_of_a_large_file_is_hashed(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    data = bytes(2 << 20)
    one.write_bytes(data)
    other.write_bytes(data[:-1] + b"\1")
    assert sha256_file(one) == hashlib.sha256(data).hexdigest()
    assert sha256_file(one) != sha256_file(other)


def test_the_limits_of_npz_files(tmp_path):
    path = tmp_path / "x.npz"
    write_npz(path, {"a": np.zeros(100), "b": np.zeros(10)})
    with zipfile.ZipFile(path) as archive:
        sizes = [info.file_size for info in archive.infolist()]
    exact = ArrayLimits(members=2, array_bytes=max(sizes), total_bytes=sum(sizes))
    assert len(read_npz(path, exact)) == 2
    for name, message in (
        ("members", "2 arrays, expected at most 1"),
        ("array_bytes", "at most"),
        ("total_bytes", "unpacks to"),
    ):
        with pytest.raises(ValueError, match=message):
            read_npz(path, replace(exact, **{name: getattr(exact, name) - 1}))
