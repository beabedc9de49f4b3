import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.store import torch_pickle
from hoibench.store.torch_pickle import read_torch_pickle

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def dump(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_tensors_are_read_as_equal_arrays(tmp_path, dtype, protocol):
    tensor = (
        (torch.arange(12).reshape(3, 4) % 2 == 0)
        if dtype is torch.bool
        else torch.arange(12, dtype=dtype).reshape(3, 4)
    )
    back = read_torch_pickle(dump(tmp_path / "a.pkl", {"a": tensor, "n": [1, "x", None]}, protocol))
    assert back["n"] == [1, "x", None]
    assert back["a"].dtype == tensor.numpy().dtype
    np.testing.assert_array_equal(back["a"], tensor.numpy())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_views_are_read_as_their_values(tmp_path_factory, rows, columns, data):
    base = torch.arange(float(rows * columns)).reshape(rows, columns)
    row = data.draw(st.integers(0, rows - 1))
    column = data.draw(st.integers(0, columns - 1))
    views = [base[row], base[:, column], base.T, base[row:, column:], base[row, column], base[:0]]
    back = read_torch_pickle(dump(tmp_path_factory.mktemp("p") / "v.pkl", views))
    for got, view in zip(back, views, strict=True):
        np.testing.assert_array_equal(got, view.numpy())


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_pickle_with_other_names_is_an_error_and_not_executed(tmp_path):
    path = dump(tmp_path / "evil.pkl", {"00001": Evil(str(tmp_path / "ran"))})
    with pytest.raises(ValueError, match=r"evil\.pkl .*mkdir.*not allowed"):
        read_torch_pickle(path)
    assert not (tmp_path / "ran").exists()


def test_a_storage_with_other_names_is_an_error_and_not_executed(tmp_path):
    inner = pickle.dumps(Evil(str(tmp_path / "ran")))

    class Outer:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inner,)

    with pytest.raises(ValueError, match="not allowed"):
        read_torch_pickle(dump(tmp_path / "evil.pkl", Outer()))
    assert not (tmp_path / "ran").exists()


class Claim:
    """A tensor of any size, stride and offset over a storage of four numbers."""

    def __init__(self, size, stride, offset):
        self.arguments = (torch.zeros(4).storage(), offset, size, stride, False, {})

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_tensor_larger_than_its_storage_is_an_error(tmp_path):
    assert read_torch_pickle(dump(tmp_path / "ok.pkl", Claim((2, 2), (2, 1), 0))).shape == (2, 2)
    for claim in [((5,), (1,), 0), ((2, 2), (3, 1), 1), ((9,), (0,), 0), ((2,), (-1,), 1), ((2, 2), (1,), 0)]:
        with pytest.raises(ValueError, match="torch tensors"):
            read_torch_pickle(dump(tmp_path / "bad.pkl", Claim(*claim)))


TREE = b")" + b"2\x86" * 70
"""Opcodes of a nested tuple with 2^70 leaves when printed, compared or hashed."""
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
LOAD = b"ctorch.storage\n_load_from_bytes\n"


def stream(identity=None, keys=None, count=4):
    """A storage of ``count`` zeros as torch's legacy stream writes it, with other opcodes for its id or its keys."""
    head = [pickle.dumps(value, 2) for value in (torch_pickle.MAGIC, torch_pickle.PROTOCOL, {"little_endian": True})]
    identity = identity or b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x04Nt"
    keys = keys or b"]\x8c\x010a"
    tail = b"\x80\x04" + identity + b"Q.\x80\x04" + keys + b"." + struct.pack("<q", count) + bytes(4 * count)
    return b"".join(head) + tail


def storage(**other):
    data = stream(**other)
    return LOAD + b"B" + struct.pack("<I", len(data)) + data + b"\x85R"


def identity(kind=b"\x8c\x07storage", name=b"ctorch\nFloatStorage\n", key=b"\x8c\x010", length=b"K\x04"):
    return b"(" + kind + name + key + b"\x8c\x03cpu" + length + b"Nt"


HUGE = b"\x8a\xff" + b"\x7f" * 255
HOSTILE = {
    "size": REBUILD + b"(" + storage() + b"K\x00" + TREE + b"K\x01\x85\x89}tR",
    "stride": REBUILD + b"(" + storage() + b"K\x00K\x01\x85" + TREE + b"\x89}tR",
    "offset": REBUILD + b"(" + storage() + TREE + b"K\x01\x85K\x01\x85\x89}tR",
    "offset of 255 bytes": REBUILD + b"(" + storage() + HUGE + b"K\x01\x85K\x01\x85\x89}tR",
    "size of 255 bytes": REBUILD + b"(" + storage() + b"K\x00" + HUGE + b"\x85K\x01\x85\x89}tR",
    "no storage": REBUILD + b"(" + TREE + b"K\x00K\x01\x85K\x01\x85\x89}tR",
    "storage of no bytes": LOAD + TREE + b"\x85R",
    "kind of storage": storage(identity=identity(kind=TREE)),
    "name of storage": storage(identity=identity(name=TREE)),
    "key of storage": storage(identity=identity(key=TREE), keys=b"]" + TREE + b"a"),
    "length of storage": storage(identity=identity(length=TREE)),
    "id of storage": storage(identity=TREE),
    "keys of storage": storage(keys=b"]" + TREE + b"a"),
}


def test_the_unchanged_storage_is_valid(tmp_path):
    path = tmp_path / "good.pkl"
    path.write_bytes(b"\x80\x04" + REBUILD + b"(" + storage() + b"K\x00K\x04\x85K\x01\x85\x89}tR.")
    np.testing.assert_array_equal(read_torch_pickle(path), np.zeros(4, np.float32))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_few_bytes_cause_no_large_allocation_computation_or_message(tmp_path, what):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(b"\x80\x04" + HOSTILE[what] + b".")
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"hostile\.pkl") as caught:
        read_torch_pickle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert len(str(caught.value)) < 600


def test_many_views_of_one_storage_are_limited(tmp_path):
    path = tmp_path / "many.pkl"
    length = b"J" + struct.pack("<i", 10_000)
    once = storage(identity=identity(length=length), count=10_000) + b"\x940"
    view = REBUILD + b"(h\x00K\x00" + length + b"\x85K\x01\x85\x89}tR"

    def read(views):
        path.write_bytes(b"\x80\x04](" + once + view * views + b"e.")
        return read_torch_pickle(path)

    assert [tensor.shape for tensor in read(1)] == [(10_000,)]
    with pytest.raises(ValueError, match="its tensors are larger than the file"):
        read(300)


def test_a_file_truncated_anywhere_is_an_error(tmp_path):
    whole = dump(tmp_path / "whole.pkl", {"a": torch.ones(3), "b": torch.zeros(2)}).read_bytes()
    cut = tmp_path / "cut.pkl"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.pkl"):
            read_torch_pickle(cut)


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    path = dump(tmp_path / "a.pkl", {"a": torch.ones(300)})
    monkeypatch.setattr(torch_pickle, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1000"):
        read_torch_pickle(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_torch_pickle(tmp_path / "none.pkl")


def test_a_file_with_wrong_bytes_is_read_or_an_error(tmp_path):
    whole = dump(tmp_path / "whole.pkl", {"a": torch.ones(2), "b": torch.zeros(1)}).read_bytes()
    path = tmp_path / "wrong.pkl"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        wrong = bytearray(whole)
        wrong[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(bytes(wrong))
        try:
            read_torch_pickle(path)
        except ValueError as error:
            refused += 1
            assert "wrong.pkl" in str(error)
    assert refused > 100


def test_views_of_one_storage_are_read_from_it_once(tmp_path, monkeypatch):
    read = []
    frombuffer = np.frombuffer
    monkeypatch.setattr(np, "frombuffer", lambda data, dtype: read.append(len(data)) or frombuffer(data, dtype=dtype))
    poses, places = torch.randn(20, 48), torch.randn(20, 3)
    back = read_torch_pickle(dump(tmp_path / "a.pkl", [(poses[i], places[i]) for i in range(20)]))
    assert len(read) == 2
    for i, (pose, place) in enumerate(back):
        np.testing.assert_array_equal(pose, poses[i])
        np.testing.assert_array_equal(place, places[i])


def test_storages_of_one_length_are_distinguished(tmp_path):
    clones = [torch.full((3,), float(i)) for i in range(5)]
    back = read_torch_pickle(dump(tmp_path / "a.pkl", [*clones, clones[0]]))
    assert [float(tensor[0]) for tensor in back] == [0.0, 1.0, 2.0, 3.0, 4.0, 0.0]
