"""Zip archives that must not be unpacked."""

import io
import struct
import zipfile
import zlib
from pathlib import Path


def _write(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data, compress_type=None if isinstance(name, str) else zipfile.ZIP_DEFLATED)


def _named(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # as it is: the constructor cuts it
    info.external_attr = mode << 16
    return info


def _inner() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


def _patched(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes of the same length everywhere in an archive, such as a name in both of its headers."""
    data = path.read_bytes()
    assert len(old) == len(new) and old in data
    path.write_bytes(data.replace(old, new))


def _with_null_byte(path: Path) -> None:
    _write(path, ("clip/tracks.npzX..", b"a"))
    _patched(path, b"npzX", b"npz\0")


def _encrypted(path: Path) -> None:
    _write(path, ("a.txt", b"a"))
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(start) + offset] |= 1
    path.write_bytes(bytes(data))


def _with_lying_size(path: Path, size: int) -> None:
    _write(path, ("a.txt", b"a" * 5000))
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(start) + offset, size)
    path.write_bytes(bytes(data))


def _with_damaged_bytes(path: Path) -> None:
    _write(path, ("a.txt", bytes(zlib.crc32(b"%d" % n) % 256 for n in range(5000))))
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(bytes(data))


def _overlapping(path: Path) -> None:
    """Two entries of the directory with the bytes of one file, as in archives that unpack to petabytes."""
    _write(path, ("a.txt", b"a" * 5000), ("b.txt", b"b"))
    with zipfile.ZipFile(path) as archive:
        second = archive.getinfo("b.txt").header_offset
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    assert struct.unpack_from("<I", data, entry + 42)[0] == second
    struct.pack_into("<I", data, entry + 42, 0)
    path.write_bytes(bytes(data))


ARCHIVES = {
    "absolute name": (lambda p: _write(p, (_named("/etc/x"), b"a")), "is a path outside the archive's folder"),
    "zip slip": (lambda p: _write(p, ("../x.txt", b"a")), "is a path outside the archive's folder"),
    "zip slip inside": (lambda p: _write(p, ("clip/../../x.txt", b"a")), "is a path outside the archive's folder"),
    "backslashes": (lambda p: _write(p, (_named("..\\x.txt"), b"a")), "is not a plain file name"),
    "drive": (lambda p: _write(p, ("C:x.txt", b"a")), "is not a plain file name"),
    "empty part": (lambda p: _write(p, ("clip//x.txt", b"a")), "is not a plain file name"),
    "dot": (lambda p: _write(p, ("./x.txt", b"a")), "is not a plain file name"),
    "hidden": (lambda p: _write(p, ("clip/.x", b"a")), "is not a plain file name"),
    "control character": (lambda p: _write(p, ("a\x1b[31m.txt", b"a")), "is not a plain file name"),
    "HTML": (lambda p: _write(p, ("<img src=x>.txt", b"a")), "is not a plain file name"),
    "reversed text": (lambda p: _write(p, ("a\u202etxt.exe", b"a")), "is not a plain file name"),
    "null byte": (_with_null_byte, "is not a plain file name"),
    "too deep": (lambda p: _write(p, ("a/b/c/d/e.txt", b"a")), "is in 4 folders, expected at most 3"),
    "long name in bytes": (lambda p: _write(p, ("\u3042" * 90, b"a")), "is not a plain file name"),
    "long name": (lambda p: _write(p, ("a" * 300, b"a")), "is not a plain file name"),
    "link": (lambda p: _write(p, (_named("clip", 0o120777), b"/etc")), "is a link or a special file"),
    "link, then file through it": (
        lambda p: _write(p, (_named("clip", 0o120777), b"/tmp"), ("clip/x.txt", b"a")), "is a link or a special file"
    ),
    "device": (lambda p: _write(p, (_named("clip", 0o060666), b"")), "is a link or a special file"),
    "pipe": (lambda p: _write(p, (_named("clip", 0o010666), b"")), "is a link or a special file"),
    "nested zip": (lambda p: _write(p, ("clip/x.ZIP", _inner())), "is an archive in an archive"),
    "nested tar": (lambda p: _write(p, ("clip/x.tar.gz", b"a")), "is an archive in an archive"),
    "same name": (lambda p: _write(p, ("a.txt", b"a"), ("a.txt", b"b")), "has the name of 'a.txt'"),
    "same name by case": (lambda p: _write(p, ("a.txt", b"a"), ("A.TXT", b"b")), "has the name of 'a.txt'"),
    "same name by Unicode": (lambda p: _write(p, ("\u00e9.txt", b"a"), ("e\u0301.txt", b"b")), "has the name of"),
    "file as folder": (lambda p: _write(p, ("a", b"a"), ("a/b.txt", b"b")), "is in a folder that is a file, too"),
    "encrypted": (_encrypted, "is encrypted: zip without a password"),
    "size too small": (lambda p: _with_lying_size(p, 10), "is not a complete zip archive"),
    "size too large": (lambda p: _with_lying_size(p, 100_000), "is not a complete zip archive"),
    "damaged": (_with_damaged_bytes, "is not a complete zip archive"),
    "overlapping": (_overlapping, "is not a complete zip archive"),
    "no zip": (lambda p: p.write_bytes(b"<html>not found</html>"), "is not a complete zip archive"),
    "empty": (lambda p: p.write_bytes(b""), "is not a complete zip archive"),
}  # fmt: skip
"""By name: a function that writes an archive, and the text of the problem."""
