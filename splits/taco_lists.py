"""Read TACO's official sequence lists, the files in data_lists/ of leolyliu/TACO-Instructions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hoibench.datasets.split_files import VersionedSplit
from hoibench.datasets.taco.download import Triplet, parse_triplet

OVERALL = "v1_overall_data_sequences.txt"
WITHOUT_MARKERS = "v1_marker_removed_data_available_sequences.txt"
OFFICIAL_PARTS_FILE = "v1_overall_data_train_test_split.txt"
FILES = (OVERALL, WITHOUT_MARKERS, OFFICIAL_PARTS_FILE)

OFFICIAL_PARTS = ("train", "test_1", "test_2", "test_3", "test_4")
"""Parts of TACO's own split; the last four are the test sets S1 to S4 of the TACO paper."""

_Value = TypeVar("_Value")
_SEQUENCE = re.compile(r"(\(.+\)) (\d{8}_\d{3})")
_PART = re.compile(r"(\d{8}_\d{3}),(.+)")


@dataclass(frozen=True)
class Lists:
    """The content of TACO's lists; the key of a sequence is YYYYMMDD_NNN.

    Attributes:
        triplets: key -> (tool, action, target), of every sequence.
        marker_removed: keys of sequences with marker-removed videos.
        parts: key -> part of TACO's own split, of every sequence.
    """

    triplets: Mapping[str, Triplet]
    marker_removed: frozenset[str]
    parts: Mapping[str, str]


def read_lists(folder: Path) -> Lists:
    """Read TACO's three lists in a folder.

    Raises:
        FileNotFoundError: a list is missing; names it.
        ValueError: a line is invalid, a key is duplicated, or the lists disagree; names file, line and key.
    """
    triplets = read_sequences(folder / OVERALL)
    marker_removed = read_sequences(folder / WITHOUT_MARKERS)
    parts = read_parts(folder / OFFICIAL_PARTS_FILE)
    for key, triplet in marker_removed.items():
        if triplets.get(key) != triplet:
            raise ValueError(
                f"{folder / WITHOUT_MARKERS} has {key} as {triplet}, but {OVERALL} as {triplets.get(key)}: download both again"
            )
    if unmatched := sorted(triplets.keys() ^ parts.keys()):
        raise ValueError(
            f"only one of {OVERALL} and {OFFICIAL_PARTS_FILE} in {folder} has {unmatched[0]} ({len(unmatched)} such keys)"
        )
    return Lists(triplets, frozenset(marker_removed), parts)


def released_lists() -> Lists:
    """Return TACO's lists of version 1, which has 2317 sequences, as the splits taco-official@1 and taco-official-marker-removed@1 contain them."""
    whole, marker_removed = (
        {line.entry.id: (part, line.entry.triplet) for part in splits.release.files for line in splits.lines(part)}
        for splits in map(VersionedSplit, ("taco-official@1", "taco-official-marker-removed@1"))
    )
    triplets = {key: triplet for key, (_, triplet) in whole.items() if triplet is not None}
    return Lists(triplets, frozenset(marker_removed), {key: part for key, (part, _) in whole.items()})


def read_sequences(path: Path) -> dict[str, Triplet]:
    """Return sequence key -> (tool, action, target) from a list with lines ``(action, tool, target) YYYYMMDD_NNN``; errors as ``read_lists``."""
    return _to_dict(path, (_parse_sequence(where, line) for where, line in _lines(path)))


def read_parts(path: Path) -> dict[str, str]:
    """Return sequence key -> part from a list with lines ``YYYYMMDD_NNN,part``; raises the errors of ``read_lists``."""
    return _to_dict(path, (_parse_part(where, line) for where, line in _lines(path)))


def _parse_sequence(where: str, line: str) -> tuple[str, Triplet]:
    match = _SEQUENCE.fullmatch(line)
    if match is None:
        raise ValueError(f"{where} is {line!r}, expected (action, tool, target) YYYYMMDD_NNN")
    try:
        return match[2], parse_triplet(match[1])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _parse_part(where: str, line: str) -> tuple[str, str]:
    match = _PART.fullmatch(line)
    if match is None or match[2] not in OFFICIAL_PARTS:
        raise ValueError(f"{where} is {line!r}, expected YYYYMMDD_NNN, a comma and one of {', '.join(OFFICIAL_PARTS)}")
    return match[1], match[2]


def _to_dict(path: Path, items: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for key, value in items:
        if key in found:
            raise ValueError(f"{path} has duplicate key {key}: download it again")
        found[key] = value
    if not found:
        raise ValueError(f"{path} is empty: download it again")
    return found


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (location for error messages, text) of each non-empty line of a file.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download data_lists/ of leolyliu/TACO-Instructions")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text ({error}): download it again") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()
