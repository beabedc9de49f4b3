"""The files of a submission: which there are, and which do not belong there; no file is opened and no link is followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hoibench.predictions import PREDICTION_FILE, TRACKS_FILE
from hoibench.problems import Problem
from hoibench.submissions.submission import SUBMISSION_FILE

MAX_ENTRIES = 100_000
"""Largest number of entries of one folder."""
FOLDER_VIEW_FILE = ".DS_Store"
"""The file that macOS adds to every folder that is opened; it is ignored."""

_TOP_FILES = re.compile(rf"{re.escape(SUBMISSION_FILE)}|(README|LICENSE|LICENCE)(\.(md|rst|txt))?")
_PREDICTION_FILES = re.compile(rf"view-\d{{1,4}}\.(mp4|mkv)|{re.escape(TRACKS_FILE)}|{re.escape(PREDICTION_FILE)}")
_SEED = re.compile(r"seed-(0|[1-9]\d{0,5})", re.ASCII)
_CLIP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class StoredFolder:
    """The folder of one prediction; ``seed`` is None if the predictions are not in folders of seeds."""

    path: Path
    clip: str
    seed: int | None


@dataclass(frozen=True)
class Layout:
    """The predictions of a submission, sorted, and the problems of its files."""

    predictions: tuple[StoredFolder, ...]
    problems: tuple[Problem, ...]

    @property
    def clips(self) -> int:
        """The number of clips."""
        return len({stored.clip for stored in self.predictions})

    @property
    def seeds(self) -> int:
        """The number of seeds; predictions that are not in folders of seeds have one."""
        return len({stored.seed for stored in self.predictions})


def read_layout(root: Path) -> Layout:
    """Return what a submission's folder contains."""
    problems: list[Problem] = []
    predictions: list[StoredFolder] = []
    top = _list_folder(root, _TOP_FILES, problems)
    seeds = [path for path in top if _SEED.fullmatch(path.name)]
    clips = [path for path in top if path not in seeds]
    if seeds and clips:
        fix = "put every clip into the folder of its seed"
        problems.append(Problem(str(clips[0]), "", "is beside folders seed-S", "", fix))
    for folder, seed in [(root, None), *((path, int(path.name.removeprefix("seed-"))) for path in seeds)]:
        for clip in clips if seed is None else _list_folder(folder, None, problems):
            if not _CLIP.fullmatch(clip.name):
                problems.append(Problem(str(clip), "", "is not a clip's name", "letters, digits, '_', '.', '-'", ""))
                continue
            inner = _list_folder(clip, _PREDICTION_FILES, problems)
            problems += [Problem(str(path), "", "is a folder", "files only", "remove it") for path in inner]
            predictions.append(StoredFolder(clip, clip.name, seed))
    return Layout(tuple(predictions), tuple(problems))


def _list_folder(folder: Path, files: re.Pattern[str] | None, problems: list[Problem]) -> list[Path]:
    """Return the folders in a folder, sorted; add a problem for each link, special file and file whose name does not match ``files``."""
    entries = list(_scan(folder))
    if len(entries) > MAX_ENTRIES:
        problems.append(Problem(str(folder), "", f"has over {MAX_ENTRIES} entries", "", "leave out other files"))
        return []
    folders = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.is_symlink():
            problems.append(Problem(str(path), "", "is a link", "", "copy the file"))
        elif entry.is_dir(follow_symlinks=False):
            folders.append(path)
        elif not entry.is_file(follow_symlinks=False):
            problems.append(Problem(str(path), "", "is a special file", "a regular file", "remove it"))
        elif entry.name != FOLDER_VIEW_FILE and (files is None or not files.fullmatch(entry.name)):
            problems.append(Problem(str(path), "", "is no file of a submission", "", "remove it"))
    return folders


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder, up to one more than ``MAX_ENTRIES``."""
    with os.scandir(folder) as entries:
        for _, entry in zip(range(MAX_ENTRIES + 1), entries, strict=False):
            yield entry
