import datetime
import io
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from hoibench.store.restricted_pickle import DAMAGE, RestrictedUnpickler, read_bounded, reason, scalars


def load(data, reader=RestrictedUnpickler):
    return reader(io.BytesIO(data)).load()


@pytest.mark.parametrize("protocol", range(6))
def test_containers_numbers_and_strings_are_read(protocol):
    value = {"a": [1, 2.5, None, True], "b": ("x", 10**30), "\xe4": {}}
    assert load(pickle.dumps(value, protocol)) == value


def test_text_of_python_2_is_latin_1():
    assert load(b"\x80\x02U\x02\xe4\xff.") == "\xe4\xff"


def test_a_bytearray_is_read():
    assert load(pickle.dumps(bytearray(b"abc"), 5)) == bytearray(b"abc")


@pytest.mark.parametrize("protocol", range(6))
def test_a_name_is_refused_unless_a_reader_allows_it(protocol):
    class Dates(RestrictedUnpickler):
        names = {("datetime", "timezone"): lambda offset: offset, ("datetime", "timedelta"): lambda *parts: parts}

    data = pickle.dumps(datetime.timezone(datetime.timedelta(hours=1)), protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"names datetime\.timezone, which is not allowed"):
        load(data)
    assert load(data, Dates) == (0, 3600, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".",
        b"Np4294967295\n.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b".",
        b"\x80\x05\x8e" + struct.pack("<Q", 2**36) + b".",
        b"\x80\x05\x8d" + struct.pack("<Q", 2**36) + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 2**36) + b"N.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    ],
    ids=["memo", "memo in text", "bytearray", "bytes", "text", "frame", "integer"],
)
def test_no_size_in_a_pickle_is_believed(data):
    tracemalloc.start()
    try:
        load(data)
    except DAMAGE as error:
        assert reason(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def tree(levels):
    """Opcodes of a tuple whose leaves are 2^levels, each level two times the one below."""
    return b")" + b"2\x86" * levels


@pytest.mark.parametrize(
    "data",
    [
        b"}" + tree(70) + b"Ns.",
        b"}(" + tree(70) + b"Nu.",
        b"(" + tree(70) + b"Nd.",
        b"\x8f(" + tree(70) + b"\x90.",
        b"(" + tree(70) + b"\x91.",
    ],
    ids=["item", "items", "dict", "set", "frozenset"],
)
def test_a_tuple_is_no_key_since_its_hash_may_take_for_ever(data):
    assert len(data) < 250
    with pytest.raises(pickle.UnpicklingError, match="a key of a dict is a tuple"):
        load(b"\x80\x04" + data)


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_are_keys_in_dicts_and_sets(protocol):
    class Sets(RestrictedUnpickler):
        names = {(module, "set"): lambda items: set(scalars(items)) for module in ("builtins", "__builtin__")}

    keys = ["a", 1, -(2**40), 2.5, None, True]
    assert load(pickle.dumps(dict.fromkeys(keys, 0), protocol)) == dict.fromkeys(keys, 0)
    assert load(pickle.dumps({key: {key} for key in keys}, protocol), Sets) == {key: {key} for key in keys}
    with pytest.raises(pickle.UnpicklingError, match="too large a number"):
        load(pickle.dumps({1 << 80: 0}, protocol))


def test_only_dicts_get_items_and_sets_members():
    class Arrays(RestrictedUnpickler):
        names = {("numpy", "zeros"): lambda: np.zeros(3)}

    for data in (b"cnumpy\nzeros\n)RK\x00" + tree(40) + b"s.", b"](K\x00Nu.", b"](K\x00\x90."):
        with pytest.raises(pickle.UnpicklingError, match="it (sets items of|adds members to) a (ndarray|list)"):
            load(b"\x80\x04" + data, Arrays)


def test_a_state_is_given_to_no_function_and_no_class():
    def innocent():
        return 1

    class Reader(RestrictedUnpickler):
        names = {("a", "b"): innocent}

    with pytest.raises(pickle.UnpicklingError, match="it gives a state to a function"):
        load(b"\x80\x04ca\nb\nN}\x8c\x0c__defaults__)s\x86b.", Reader)
    assert innocent.__defaults__ is None


def test_a_reason_is_one_line_and_neither_empty_nor_long():
    assert reason(EOFError()) == "EOFError"
    assert reason(ValueError("a\n  b")) == "a b"
    assert len(reason(KeyError("a" * 10**6))) < 400


def test_a_file_over_the_limit_is_not_read(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(bytes(11))
    assert read_bounded(path, 11) == bytes(11)
    with pytest.raises(ValueError, match=r"a\.pkl has 11 bytes, at most 10"):
        read_bounded(path, 10)
