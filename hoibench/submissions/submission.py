"""A submission on disk: a folder of predictions, or a zip of one, with submission.toml, which describes the method and names the split.

SUBMISSION/
  submission.toml
  20230927_163/                or seed-0/20230927_163/, one folder per seed
    view-0.mp4  view-1.mp4  view-2.mp4  tracks.npz  prediction.json (optional)
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from hoibench.clip import Pairing, Scale
from hoibench.methods.registry import folder_spec
from hoibench.methods.spec import Family, MethodId, Output, Spec, Text, ViewType
from hoibench.plugins import SPEC_FILE
from hoibench.store.atomic import ensure_folder
from hoibench.store.cache_dir import cache_dir
from hoibench.store.hashes import sha256_file
from hoibench.store.records import Record, parse_record
from hoibench.submissions.archive import ArchiveLimits, unpack
from hoibench.submissions.limited import LimitedProcess, Limits, call_limited

SUBMISSION_FILE = "submission.toml"
ARCHIVE_SUFFIX = ".zip"
MAX_TOML_BYTES = 64 << 10

Seed = Annotated[int, Field(ge=0, le=999_999)]
NonEmptyText = Annotated[Text, StringConstraints(min_length=1)]

UNPACKING = Limits(cpu_seconds=1800, seconds=3600.0, file_bytes=ArchiveLimits().member_bytes)


class Submission(Record):
    """The contents of submission.toml.

    Attributes:
        name: the method's id, the name of its row.
        title: its full name.
        authors: who made it.
        contact: a mail or web address for questions.
        licence: the licence of the predictions, e.g. ``CC-BY-4.0``.
        dataset: the data set, e.g. ``synthetic``.
        split: the split, e.g. ``synthetic@2/test_unseen``.
        split_id: the split's hash, 12 hex digits, from ``hoibench ls splits``.
        seeds: the seeds of the folders ``seed-S``; one seed for predictions without such folders.
        families, view_type, outputs, pairing, scale: as in ``Spec``.
        paper, code: web addresses, or empty.
    """

    name: MethodId
    title: NonEmptyText
    authors: tuple[NonEmptyText, ...] = Field(min_length=1, max_length=100)
    contact: NonEmptyText
    licence: NonEmptyText
    dataset: NonEmptyText
    split: NonEmptyText
    split_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=100)
    families: tuple[Family, ...] = Field(min_length=1)
    view_type: ViewType
    outputs: tuple[Output, ...] = Field(min_length=1)
    pairing: Pairing
    scale: Scale
    paper: Text = ""
    code: Text = ""

    def to_spec(self) -> Spec:
        """Return the description of the method for a run."""
        fields = ("families", "view_type", "outputs", "pairing", "scale", "paper")
        return Spec(id=self.name, name=self.title, **{name: getattr(self, name) for name in fields})


def read_submission(folder: Path) -> Submission:
    """Read the submission.toml of a folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is too large or not TOML, or a key is missing, unknown or invalid; names file, key, value and expectation.
    """
    path = folder / SUBMISSION_FILE
    if path.is_symlink():
        raise ValueError(f"{path} is a link: copy the file")
    if path.stat().st_size > MAX_TOML_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, expected at most {MAX_TOML_BYTES}")
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not TOML: {' '.join(str(error).split())}") from error
    return parse_record(Submission, table, str(path))


def stored_spec(name: str, path: Path, method: Spec | None = None) -> Spec:
    """Return the spec of stored predictions under ``name``: from submission.toml or spec.toml, else that of ``method`` or a default.

    Args:
        name: the name of the row.
        path: a folder of predictions, or a zip of one, which is unpacked into hoibench's cache.
        method: the installed method of this name, if any.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: the name, the archive or the description is wrong.
    """
    if path.suffix.lower() != ARCHIVE_SUFFIX or path.is_dir():
        return _folder_spec(name, path, method)
    if not path.is_file():
        raise FileNotFoundError(f"--method {name}={path}: no such file")
    return _folder_spec(name, unpacked_folder(path), method)


def _folder_spec(name: str, folder: Path, method: Spec | None) -> Spec:
    if (folder / SUBMISSION_FILE).is_file():
        if (folder / SPEC_FILE).is_file():
            raise ValueError(f"{folder} has {SUBMISSION_FILE} and {SPEC_FILE}: leave {SPEC_FILE} out")
        return folder_spec(name, folder, declared=read_submission(folder).to_spec())
    if (folder / SPEC_FILE).is_file() or not folder.is_dir():
        return folder_spec(name, folder, method)
    return call_limited(folder_spec, name, folder, method)  # reads npz files for the outputs


def unpacked_folder(path: Path) -> Path:
    """Return the folder of predictions that a zip contains, unpacked into hoibench's cache unless it is there.

    It is the top of the archive, or the only folder there if that has submission.toml or spec.toml.

    Raises:
        ProblemsFound: the archive has members that are not allowed, or is damaged.
        LimitExceeded: unpacking takes too much memory or time.
        WriteError: the cache cannot be written.
    """
    status = path.stat()
    return _unpacked_folder(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _unpacked_folder(path: Path, size: int, mtime_ns: int) -> Path:
    folder = cache_dir() / "submissions@1" / sha256_file(path)

    def fill(new: Path) -> None:
        with LimitedProcess(UNPACKING) as process:
            process.call(unpack, path, new)

    ensure_folder(folder, fill)
    return find_root(folder)


def find_root(folder: Path) -> Path:
    """Return the folder of predictions in an unpacked archive: its only folder if submission.toml or spec.toml is there, else ``folder``."""
    names = (SUBMISSION_FILE, SPEC_FILE)
    inner = [path for path in folder.iterdir() if path.is_dir()]
    if any((folder / name).exists() for name in names) or len(inner) != 1:
        return folder
    return inner[0] if any((inner[0] / name).is_file() for name in names) else folder
