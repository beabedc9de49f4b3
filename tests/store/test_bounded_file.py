"""Regular files of a limited size are read; pipes and devices are refused at once, by every reader of JSON and TOML."""

import os
from pathlib import Path

import pytest

from hoibench.store import read_json
from hoibench.store.bounded_file import read_bounded
from hoibench.store.records import read_toml

READERS = {
    "bytes": lambda path: read_bounded(path, 1 << 20),
    "json": lambda path: read_json(path, "x"),
    "toml": lambda path: read_toml(dict[str, int], path),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.bin"


def test_a_file_over_the_limit_is_not_read(path):
    path.write_bytes(bytes(11))
    assert read_bounded(path, 11) == bytes(11)
    with pytest.raises(ValueError, match=r"a\.bin has 11 bytes, expected at most 10"):
        read_bounded(path, 10)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_what_is_no_regular_file_is_refused(path, make, reader):
    make(path)
    with pytest.raises((ValueError, IsADirectoryError), match=r"a\.bin"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file_is_said_to_be_missing(path, reader):
    with pytest.raises(FileNotFoundError, match=r"a\.bin"):
        READERS[reader](path)
