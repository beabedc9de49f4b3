"""Packed results: a folder with a run's record, its result rows and hashes, without predictions and videos, small enough to review and to publish.

A pack is also a run folder for ``hoibench show``, ``hoibench compare`` and the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
from pydantic import Field, model_validator

from hoibench.predictions import is_complete, stored_digest
from hoibench.results.results_file import read_table, write_table
from hoibench.results.run_folder import read_run
from hoibench.results.run_record import RunRecord
from hoibench.store.atomic import new_folder
from hoibench.store.json_file import write_json
from hoibench.store.verified_folder import FolderMetadata, write_metadata

RUN_FILE, RESULTS_FILE = "run.json", "results.parquet"
_ENDED = ("done", "over_budget")
_ABSOLUTE = re.compile(r"(?<![\w./:~%-])(?:/|[A-Za-z]:\\+)(?:[^\s/\\'\"`:,;=<>()]+[/\\]+)+")
"""The folders of an absolute path; no part of an address such as https://example.org/a/b."""


class PackRecord(FolderMetadata):
    """The contents of pack.json: size and SHA-256 of the other files, and the digests of the predictions.

    Attributes:
        predictions: the ``stored_digest`` of each complete prediction of a method by its unit, ``METHOD[+PRESET]/seed-S/CLIP``.
    """

    SCHEMA: ClassVar[str] = "hoibench/pack@1"
    FILE: ClassVar[str] = "pack.json"
    FIX: ClassVar[str] = "pack the run again with hoibench pack"

    predictions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.files and self.files.keys() != {RUN_FILE, RESULTS_FILE}:
            raise ValueError(f"files has {', '.join(sorted(self.files))[:200]}, expected {RUN_FILE} and {RESULTS_FILE}")
        return self


def is_pack(folder: Path) -> bool:
    """Return True if a folder has the record of a pack."""
    return (folder / PackRecord.FILE).is_file()


def write_pack(run: Path, out: Path) -> PackRecord:
    """Write the pack of a finished run; equal runs give equal bytes.

    Absolute paths in texts are cut to their last component, and what methods have printed is left out.  An earlier pack is replaced.

    Args:
        run: the run's folder.
        out: the folder to write.

    Raises:
        FileNotFoundError: the run has no run.json or no results.parquet.
        ValueError: the run has not ended, a file of it is damaged, or ``out`` has something other than a pack; the message names it.
        WriteError: the folder cannot be written.
    """
    record = read_run(run).record
    if record.shard is not None or record.exit.status not in _ENDED:
        raise ValueError(
            f"{run / RUN_FILE} is of a run that is {record.exit.status}: finish the run, and merge its shards"
        )
    if out.is_symlink() or (out.exists() and not is_pack(out)):
        raise ValueError(f"{out} exists and is no pack: give another --out")
    table = read_table(run / RESULTS_FILE)
    metadata = PackRecord(predictions=dict(_prediction_digests(run, record)))
    with new_folder(out) as new:
        write_json(new / RUN_FILE, without_folders(_without_output(record).to_json()))
        write_table(new / RESULTS_FILE, _public_table(table))
        write_metadata(new, metadata)
    return metadata


def _prediction_digests(run: Path, record: RunRecord) -> Iterator[tuple[str, str]]:
    """Yield the unit and the digest of every complete prediction of a method; reference rows are built from the truth, and need none."""
    for method in record.methods:
        if method.kind == "reference":
            continue
        for clip in record.clips:
            for seed in method.seeds_of(clip.id, record.clips[0].id):
                unit = f"{method.key}/seed-{seed}/{clip.id}"
                if is_complete(run / "predictions" / unit):
                    yield unit, stored_digest(run / "predictions" / unit)


def _without_output(record: RunRecord) -> RunRecord:
    """Return the record without the output of methods, which may have anything in it."""
    failures = (failure.model_copy(update={"log": None, "output": ""}) for failure in record.exit.failures)
    return record.with_exit(record.exit.status, failures)


def _public_table(table: pa.Table) -> pa.Table:
    for name in ("reason", "details"):
        texts = pa.array(map(without_folders, table[name].to_pylist()), pa.string())
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), texts)
    return table


def without_folders(value: Any) -> Any:
    """Return a JSON value whose texts lack the folders of absolute paths.

    >>> without_folders({"weights": "/home/me/w.pt", "paper": "https://arxiv.org/abs/2511.19319"})
    {'weights': 'w.pt', 'paper': 'https://arxiv.org/abs/2511.19319'}
    """
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return _ABSOLUTE.sub("", value) if isinstance(value, str) else value
