"""Errors of damaged and hostile npz files."""

import errno
import zipfile

import numpy as np
import pytest

from hoibench.store import ArrayLimits, read_npz, write_npz


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.npz"


def read_or_refuse(path):
    """Read; the only error may be a ValueError that names the file."""
    try:
        read_npz(path)
    except ValueError as error:
        assert "x.npz" in str(error)
        return False
    return True


def flips(data, bits):
    """The file with one bit turned, for each of ``bits`` of them in every byte, by turns another."""
    for place in range(len(data)):
        for bit in ((place + turn) % 8 for turn in range(bits)):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_flipped_bits_are_read_or_an_error(path, bits):
    write_npz(path, {"a": np.arange(40), "b": np.array([True, False])})
    read = []
    for data in flips(path.read_bytes(), bits):
        path.write_bytes(data)
        read.append(read_or_refuse(path))
    assert read.count(False) > len(read) / 2


def test_every_truncation_is_an_error(path):
    write_npz(path, {"a": np.arange(40)})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert not read_or_refuse(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_compression_of_numpy_is_unpacked(path, tmp_path, method):
    np.save(tmp_path / "a.npy", np.zeros(100))
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    with pytest.raises(ValueError, match=r"x\.npz: member 'a\.npy' is packed by zip method \d+"):
        read_npz(path)


@pytest.mark.parametrize(
    "header", [b"(" * 300, b"-" * 900 + b"1", b"-" * 9000 + b"1", b"'", b"\n  x\n y", b"\xff\xfe", b"{'descr': 3}"]
)
def test_an_invalid_header_is_an_error(path, header):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"x\.npz: member 'a\.npy'"):
        read_npz(path)


@pytest.mark.parametrize("value", [False, True])
def test_constant_masks_are_not_a_zip_bomb(path, value):
    """Deflate shrinks them by about 1030:1, more than it can anything else."""
    write_npz(path, {"masks": np.full((3, 49, 480, 704), value)})
    masks = read_npz(path)["masks"]
    assert masks.shape == (3, 49, 480, 704)
    assert (masks == value).all()


def test_size_is_checked_before_unpacking(path):
    np.savez_compressed(path, a=np.zeros(50_000_000, np.uint8))
    with pytest.raises(ValueError, match="at most 1000"):
        read_npz(path, ArrayLimits(array_bytes=1000))
    with pytest.raises(ValueError, match="unpacks to 50000128 bytes, expected at most 1000"):
        read_npz(path, ArrayLimits(total_bytes=1000))


def test_a_false_size_in_the_directory_limits_unpacking(path):
    np.savez_compressed(path, a=np.zeros(100_000, np.uint8))
    data = path.read_bytes()
    size = (100_128).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"x\.npz"):
        read_npz(path)


def test_a_disk_error_is_not_a_damaged_file(path, monkeypatch):
    write_npz(path, {"a": np.arange(40)})

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        read_npz(path)
