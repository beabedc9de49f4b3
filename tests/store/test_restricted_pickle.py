import datetime
import io
import pickle
import struct
import tracemalloc

import pytest

from hoibench.store.restricted_pickle import PICKLE_ERRORS, RestrictedUnpickler, short_message


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
def test_names_are_errors_unless_allowed(protocol):
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
def test_sizes_in_a_pickle_are_not_trusted(data):
    tracemalloc.start()
    try:
        load(data)
    except PICKLE_ERRORS as error:
        assert short_message(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_functions_and_classes_get_no_state():
    def innocent():
        return 1

    class Reader(RestrictedUnpickler):
        names = {("a", "b"): innocent}

    with pytest.raises(pickle.UnpicklingError, match="it sets the state of a function"):
        load(b"\x80\x04ca\nb\nN}\x8c\x0c__defaults__)s\x86b.", Reader)
    assert innocent.__defaults__ is None


def test_a_short_message_is_one_line_and_neither_empty_nor_long():
    assert short_message(EOFError()) == "EOFError"
    assert short_message(ValueError("a\n  b")) == "a b"
    assert len(short_message(KeyError("a" * 10**6))) < 400
