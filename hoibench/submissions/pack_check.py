"""Checks of a packed result, as a public repository of results makes them before a review; to be called through ``LimitedProcess``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hoibench.datasets.base import clip_set_id
from hoibench.metric_card import all_cards
from hoibench.problems import Problem
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED, REFERENCES
from hoibench.results.pack import RESULTS_FILE, RUN_FILE, PackRecord
from hoibench.results.results_file import read_rows
from hoibench.results.run_record import RunRecord
from hoibench.store.hashes import sha256_json
from hoibench.store.verified_folder import CorruptFolder, read_metadata
from hoibench.submissions.row_check import find_row_problems
from hoibench.submissions.target import find_target
from hoibench.text import count

MAX_BYTES = {PackRecord.FILE: 16 << 20, RUN_FILE: 16 << 20, RESULTS_FILE: 128 << 20}
"""Largest size of each file of a pack."""

MAX_ROWS = 1_000_000
"""Largest number of rows; the run with most clips of the benchmark has about a tenth of it for one method."""

MAX_UNPACKED_BYTES = 1 << 30
"""Largest size of the rows in memory, by the file's own account."""

MAX_TEXT = 20_000
"""Longest text in the record, in characters."""

_SAME = ("dataset", "split", "split_id", "clip_set_id")
_FIX = "pack the run again with hoibench pack"


def find_pack_problems(folder: Path) -> list[Problem]:
    """Return every reason why a folder is no complete pack of a finished run: wrong files, hashes, records, ids of the split, or rows.

    Whether the values are true, only ``hoibench verify`` can tell, with the predictions.
    """
    if problems := [*_find_file_problems(folder)]:
        return problems
    try:
        metadata = read_metadata(folder, PackRecord, "contents")
        record = RunRecord.read(folder / RUN_FILE)
    except (CorruptFolder, ValueError) as error:
        return [Problem.from_text(str(error))]
    problems = [*_find_record_problems(record), *_find_split_problems(record), *_find_digest_problems(metadata, record)]
    try:
        rows = read_bounded_rows(folder / RESULTS_FILE)
    except ValueError as error:
        return [*problems, Problem.from_text(str(error))]
    return [*problems, *find_row_problems(rows, record, all_cards())]


def _find_file_problems(folder: Path) -> Iterator[Problem]:
    with os.scandir(folder) as found:
        entries = {entry.name: entry for _, entry in zip(range(100), found, strict=False)}
    for name in MAX_BYTES.keys() - entries.keys():
        yield Problem(name, "", "is missing", "", _FIX)
    for name, entry in sorted(entries.items()):
        limit = MAX_BYTES.get(name)
        if limit is None:
            yield Problem(name, "", "does not belong to a pack", ", ".join(MAX_BYTES), "remove it")
        elif not entry.is_file(follow_symlinks=False):
            yield Problem(name, "", "is a link or no file", "", _FIX)
        elif (size := entry.stat(follow_symlinks=False).st_size) > limit:
            yield Problem(name, "", f"has {size} bytes", f"at most {limit}", "publish fewer methods in one pack")


def _find_record_problems(record: RunRecord) -> Iterator[Problem]:
    if record.shard is not None or record.exit.status not in ("done", "over_budget"):
        yield Problem(RUN_FILE, "exit.status", f"is {record.exit.status!r}", "done", "finish the run")
    try:
        digest = sha256_json(record.identity)
    except ValueError as error:
        yield Problem(RUN_FILE, "identity", f"has no JSON values ({error})", "", _FIX)
    else:
        if digest != record.config_hash:
            yield Problem(RUN_FILE, "config_hash", "is not the hash of the identity", "", _FIX)
    expected = {name: getattr(record, name) for name in _SAME} | {
        "metrics": list(record.metrics),
        "seeds": list(record.seeds),
    }
    for name, value in expected.items():
        if record.identity.get(name) != value:
            yield Problem(RUN_FILE, name, f"is {value!r:.100}, unlike in the identity", "", _FIX)
    for method in record.methods:
        is_reference = method.id in REFERENCES or method.id.startswith(FROZEN_SELF)
        kind = "reference" if is_reference else "published" if method.id.startswith(PUBLISHED) else "method"
        if method.kind != kind:
            yield Problem(RUN_FILE, f"methods {method.key!r:.100}", f"has kind {method.kind!r}", repr(kind), _FIX)
    missing = sorted(REFERENCES.keys() - {method.id for method in record.methods})
    if record.has_truth and missing:
        yield Problem(
            RUN_FILE, "methods", f"lacks the reference rows {', '.join(missing)}", "", "run with hoibench run"
        )
    for place, text in _texts(record.to_json(), ""):
        if len(text) > MAX_TEXT or not text.replace("\n", "").isprintable():
            found = f"has {count(len(text), 'character')}" if len(text) > MAX_TEXT else "has control characters"
            yield Problem(RUN_FILE, place, found, f"printable text of at most {MAX_TEXT} characters", "")


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) for each text in a JSON value, keys of objects included."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{place}, a key", key
            yield from _texts(inner, f"{place}.{key:.40}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}[{number}]")


def _find_split_problems(record: RunRecord) -> Iterator[Problem]:
    """Yield the differences of the record's clips from those of the split that is part of this version of hoibench."""
    if clip_set_id(record.clips, record.truth_id) != record.clip_set_id:
        yield Problem(RUN_FILE, "clip_set_id", f"is {record.clip_set_id!r:.100}, not that of the clips", "", _FIX)
    try:
        manifest = find_target(record.dataset, record.split).manifest
    except (ValueError, FileNotFoundError) as error:
        yield Problem(RUN_FILE, "split", f"cannot be checked: {error}", "", "give results on a split of hoibench")
        return
    if manifest.split_id != record.split_id:
        found = f"is {record.split_id!r:.100}, not that of {record.split}"
        yield Problem(RUN_FILE, "split_id", found, repr(manifest.split_id), "run on the released split")
    missing = len(manifest.entries) - len(record.clips)
    if missing > 0 and not record.excluded:
        found = f"lacks {missing} of {count(len(manifest.entries), 'clip')} of {record.split} without a reason in 'excluded'"
        yield Problem(
            RUN_FILE, "clips", found, "", "run without --limit: a page shows the clips that all its runs have"
        )
    known = {(entry.id, entry.camera_ids, entry.start) for entry in manifest.entries}
    unknown = [clip.id for clip in record.clips if (clip.id, clip.camera_ids, clip.start) not in known]
    if unknown:
        found = f"has {count(len(unknown), 'clip')} that {record.split} lacks, such as {unknown[0]!r:.100}"
        yield Problem(RUN_FILE, "clips", found, "", "run on the released split")


def _find_digest_problems(metadata: PackRecord, record: RunRecord) -> Iterator[Problem]:
    units = {
        f"{method.key}/seed-{seed}/{clip.id}"
        for method in record.methods
        if method.kind != "reference"
        for clip in record.clips
        for seed in method.seeds_of(clip.id, record.clips[0].id)
    }
    if unknown := sorted(metadata.predictions.keys() - units):
        yield Problem(PackRecord.FILE, "predictions", f"has {unknown[0]!r:.200}, no unit of the run", "", _FIX)


def read_bounded_rows(path: Path) -> pd.DataFrame:
    """Return the rows of a results file as ``read_rows`` does, after checking the sizes that the file states.

    Raises:
        FileNotFoundError, ValueError: as ``read_rows``, or the file has more rows or bytes than a pack may have.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, or is no regular file")
    try:
        metadata = pq.read_metadata(path)
        sizes = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a valid Parquet file ({error}): {_FIX}") from error
    for number, limit, noun in ((metadata.num_rows, MAX_ROWS, "rows"), (sizes, MAX_UNPACKED_BYTES, "unpacked bytes")):
        if number > limit:
            raise ValueError(f"{path} has {number} {noun}, expected at most {limit}: publish fewer methods in one pack")
    return read_rows(path)
