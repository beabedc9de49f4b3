"""Unpacking of zip archives from strangers: every member is checked before the first one is written."""

from __future__ import annotations

import errno
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hoibench.problems import Problem, raise_if_any
from hoibench.submissions.layout import FOLDER_VIEW_FILE

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".txz", ".xz", ".zip", ".zst")
_RATIO_FROM_BYTES = 64 << 20
_CHUNK = 1 << 20
_PART = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]+")
_PART_BYTES = 200
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ArithmeticError, LookupError,
)  # fmt: skip
"""Exceptions that zipfile raises on damaged archives, besides the OSError of a seek to an impossible offset."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits on an archive.

    Attributes:
        members: number of files and folders; the largest split has 953 clips, which take 5 files each with one seed, and 3 seeds.
        member_bytes: unpacked size of one file.
        total_bytes: unpacked size of all files.
        ratio: unpacked size of all files by the size of the archive, above 64 MiB; videos and npz files hardly shrink.
        depth: folders above a file.
    """

    members: int = 20_000
    member_bytes: int = 2 << 30
    total_bytes: int = 64 << 30
    ratio: int = 100
    depth: int = 4


def unpack(path: Path, folder: Path, limits: ArchiveLimits | None = None) -> None:
    """Unpack a zip archive into an existing empty folder; nothing is written elsewhere, and no link is made. What macOS adds to zips is left out.

    Raises:
        FileNotFoundError: there is no such file.
        ProblemsFound: lists every member that is not allowed, or says that the file is no complete archive.
    """
    limits = limits or ArchiveLimits()
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                raise_if_any(find_archive_problems(path, archive, limits))
                for info in _members(archive):
                    _write_member(archive, info, folder)
        except (*_DAMAGE, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise_if_any(
                [Problem(str(path), "", f"is not a complete zip archive ({reason})", "", "zip the folder again")]
            )


def find_archive_problems(path: Path, archive: zipfile.ZipFile, limits: ArchiveLimits) -> list[Problem]:
    """Return every reason why an archive may not be unpacked, from its directory alone."""
    infos = archive.infolist()
    if len(infos) > limits.members:
        return [
            Problem(str(path), "", f"has {len(infos)} members", f"at most {limits.members}", "leave out other files")
        ]
    infos = _members(archive)
    found = [problem for info in infos for problem in _find_member_problems(path, info, limits)]
    found += _find_name_clashes(path, infos)
    total, size = sum(info.file_size for info in infos), max(path.stat().st_size, 1)
    if total > limits.total_bytes:
        found.append(Problem(str(path), "", f"unpacks to {total} bytes", f"at most {limits.total_bytes}", "split it"))
    elif total > max(_RATIO_FROM_BYTES, limits.ratio * size):
        fix = "write arrays with numpy.savez_compressed"
        found.append(
            Problem(str(path), "", f"unpacks to {total // size} times its size", f"at most {limits.ratio}", fix)
        )
    return found


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members of an archive without those that macOS adds to every zip, which are never written."""
    return [
        info
        for info in archive.infolist()
        if not info.filename.startswith("__MACOSX/") and info.filename.rpartition("/")[2] != FOLDER_VIEW_FILE
    ]


def _find_member_problems(path: Path, info: zipfile.ZipInfo, limits: ArchiveLimits) -> Iterator[Problem]:
    def problem(found: str, expected: str = "", fix: str = "zip the folder's own files again") -> Problem:
        return Problem(str(path), f"member {info.orig_filename!r:.300}", found, expected, fix)

    name = info.orig_filename  # zipfile cuts ``filename`` at a null byte
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or ".." in parts:
        yield problem("is a path outside the archive's folder")
    elif not all(map(_is_plain, parts)):
        yield problem("is not a plain file name")
    elif len(parts) > limits.depth:
        yield problem(f"is in {len(parts) - 1} folders", f"at most {limits.depth - 1}")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield problem("is a link or a special file", fix="put the file itself into the archive")
    if info.flag_bits & 1:
        yield problem("is encrypted", fix="zip without a password")
    elif info.compress_type not in _PACKED:
        yield problem(f"is packed by method {info.compress_type}", "0 or 8", "zip with deflate")
    if name.lower().endswith(_ARCHIVES):
        yield problem("is an archive in an archive", fix="unpack it first, then zip all files together")
    if info.file_size > limits.member_bytes:
        yield problem(f"has {info.file_size} bytes", f"at most {limits.member_bytes}")


def _is_plain(part: str) -> bool:
    """Return True if a part of a name is a plain file name on every disk."""
    is_short = len(part.encode("utf-8", "replace")) <= _PART_BYTES
    return is_short and part.isprintable() and part[:1] != "." and _PART.fullmatch(part) is not None


def _find_name_clashes(path: Path, infos: list[zipfile.ZipInfo]) -> Iterator[Problem]:
    """Yield names that are the same file on a disk that ignores case, and files that are also folders."""
    seen: dict[str, str] = {}
    files: set[str] = set()
    for info in infos:
        key = unicodedata.normalize("NFC", info.filename.removesuffix("/")).casefold()
        if key in seen:
            yield Problem(
                str(path), f"member {info.filename!r:.300}", f"has the name of {seen[key]!r:.300}", "", "rename it"
            )
        seen[key] = info.filename
        if not info.is_dir():
            files.add(key)
    for key, name in seen.items():
        parents = key.split("/")[:-1]
        if any("/".join(parents[: n + 1]) in files for n in range(len(parents))):
            yield Problem(str(path), f"member {name!r:.300}", "is in a folder that is a file, too", "", "rename it")


def _write_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*info.filename.split("/"))
    if info.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(info) as source, target.open("xb") as stream:
        while block := source.read(_CHUNK):
            written += len(block)
            if written > info.file_size:
                raise zipfile.BadZipFile(f"{info.filename!r} has over {info.file_size} bytes, which its entry says")
            stream.write(block)
    if written != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename!r} has {written} bytes, but its entry says {info.file_size}")
