"""Reader and writer of ``results.parquet``, which has all result rows of a run; rows are also written as CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from hoibench.results.result_row import COLUMNS, ResultRow
from hoibench.store import atomic_write

_INTEGERS = {"seed", "frame", "n_scored", "n_expected"}
_FLOATS = {"value", "scale", "coverage", "cap"}
_REQUIRED = {
    "method",
    "clip",
    "split",
    "clip_set_id",
    "seed",
    "metric",
    "region",
    "status",
    "unit",
    "weights",
    "precision",
    "device",
    "details",
}
_ORDER = ("method", "preset", "seed", "clip", "metric", "region", "part", "view", "pair", "frame")
TABLE_SUFFIXES = (".parquet", ".csv")
"""Suffixes of the files that ``write_rows`` writes."""
ROWS_AT_ONCE = 100_000
"""Rows that ``write_sorted_rows`` has in memory, about; each takes 3 KB."""
HEADLINE_COLUMNS = (
    "method", "preset", "clip", "clip_set_id", "seed", "metric", "region", "value", "status", "reason", "unit",
    "pairing", "alignment", "coverage", "cap", "truth", "prediction", "details",
)  # fmt: skip
"""The columns that ``read_headlines`` reads."""
_METADATA = {b"hoibench": b"results@5"}
_PANDAS_TYPES = {pa.string(): pd.StringDtype(), pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype()}


def _type(column: str) -> pa.DataType:
    if column in _INTEGERS:
        return pa.int64()
    return pa.float64() if column in _FLOATS else pa.string()


SCHEMA = pa.schema([pa.field(c, _type(c), nullable=c not in _REQUIRED) for c in COLUMNS], metadata=_METADATA)
"""The fields of ``ResultRow`` in order; ``weights`` and ``details`` are JSON text, and a missing value is null, never NaN."""


def write_rows(path: Path, rows: Iterable[ResultRow]) -> None:
    """Write rows to a .parquet or .csv file atomically, in the order of ``to_table``, so that equal rows give an equal file.

    Raises:
        OSError: the file cannot be written.
    """
    write_table(path, to_table(rows))


def write_sorted_rows(path: Path, groups: Iterable[Sequence[ResultRow]]) -> None:
    """Write rows to a .parquet file as ``write_rows`` does, with little memory, however many there are.

    Args:
        path: the file.
        groups: the rows of each method, preset, seed and clip, in the order of ``to_table``.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        rows: list[ResultRow] = []
        for group in groups:
            rows += group
            if len(rows) >= ROWS_AT_ONCE:
                writer.write_table(to_table(rows))
                rows = []
        if rows:
            writer.write_table(to_table(rows))


def to_table(rows: Iterable[ResultRow]) -> pa.Table:
    """Return rows as a table of ``SCHEMA``, sorted by method, seed, clip and metric."""
    tables = sorted((row.to_parquet() for row in rows), key=_sort_key)
    columns = [pa.array([table[field.name] for table in tables], type=field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table of result rows, with the schema ``SCHEMA``, to a .parquet or .csv file atomically; raises the errors of ``write_rows``."""
    with atomic_write(path) as temporary:
        if path.suffix == ".csv":
            csv.write_csv(table, temporary)
        else:
            pq.write_table(table, temporary, compression="zstd")


def read_rows(path: Path) -> pd.DataFrame:
    """Read all rows of a results file; the columns are the fields of ``ResultRow`` in pandas' nullable types, a missing value is ``pd.NA``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not Parquet, its schema or columns are not those of this version, or a value is not finite; it names the file.
    """
    return _to_frame(read_table(path))


def read_headlines(path: Path) -> pd.DataFrame:
    """Read the rows with the values of whole clips, without those of parts, views, pairs and frames.

    Returns:
        The columns ``HEADLINE_COLUMNS``, as ``read_rows`` has them, but texts other than ``details`` as sorted categories: a tenth of the memory.

    Raises:
        FileNotFoundError, ValueError: as ``read_rows``.
    """
    frame = _to_frame(
        read_table(path, _all_null("part", "view", "pair", "frame"), HEADLINE_COLUMNS, as_categories=True)
    )
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            frame[name] = column.cat.set_categories(sort_texts(column.cat.categories))
    return frame


def sort_texts(texts: Iterable[str]) -> pd.Index[Any]:
    """Return the distinct texts, sorted, as an index of the same type however many there are."""
    return pd.Index(sorted(set(texts)), dtype=object)


def read_frame_values(path: Path, clips: Collection[str]) -> pd.DataFrame:
    """Read the rows with values of single frames of some clips (ids), without those of parts and of pairs of views; else like ``read_rows``."""
    rows = _all_null("part", "pair") & pc.field("frame").is_valid() & pc.field("clip").isin(list(clips))
    return _to_frame(read_table(path, rows))


def read_table(
    path: Path,
    rows: pc.Expression | None = None,
    columns: Sequence[str] = COLUMNS,
    *,
    as_categories: bool = False,
) -> pa.Table:
    """Read the rows of a results file that an expression selects, or all, as a table with columns of ``SCHEMA``.

    With ``as_categories``, texts other than ``details`` are dictionary-encoded.  Raises the errors of ``read_rows``.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; an interrupted run writes it when its command is given again, `hoibench merge RUN` from its scores"
        )
    try:
        _check_schema(path, pq.read_schema(path))
        texts = [name for name in columns if SCHEMA.field(name).type == pa.string() and name != "details"]
        encoded = texts if as_categories else None
        table = pq.read_table(path, columns=list(columns), filters=rows, read_dictionary=encoded)
        table.validate(full=True)  # texts in a damaged file may not be UTF-8
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise ValueError(
            f"{path} is not a valid Parquet file ({error}): `hoibench merge RUN` writes it again"
        ) from error
    for name in sorted(_REQUIRED.intersection(columns)):
        if table[name].null_count:
            raise ValueError(f"{path}: column {name!r} has missing values: `hoibench merge RUN` writes the file again")
    for name in sorted(_FLOATS.intersection(columns)):
        if pc.any(pc.invert(pc.is_finite(table[name]))).as_py():
            raise ValueError(
                f"{path}: column {name!r} has NaN or infinity; a missing value is null: `hoibench merge RUN` writes the file again"
            )
    return table


def _to_frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper=_PANDAS_TYPES.get)
    return frame


def _check_schema(path: Path, schema: pa.Schema) -> None:
    expected = _METADATA[b"hoibench"]
    found = (schema.metadata or {}).get(b"hoibench")
    if found not in (None, expected):
        raise ValueError(
            f"{path} has the schema {found.decode(errors='replace')}, expected {expected.decode()}; "
            "`hoibench score RUN` writes it again from the stored predictions"
        )
    if set(schema.names) != set(COLUMNS):
        unexpected = ", ".join(sorted(set(schema.names) ^ set(COLUMNS)))
        raise ValueError(f"{path} is not a results file: missing or unexpected columns {unexpected}")
    for field in SCHEMA:
        found = schema.field(field.name).type
        if found != field.type:
            raise ValueError(f"{path}: column {field.name!r} is {found}, expected {field.type}")


def _all_null(*columns: str) -> pc.Expression:
    return reduce(and_, (pc.field(column).is_null() for column in columns))


def _sort_key(table: dict[str, Any]) -> tuple[tuple[bool, Any], ...]:
    return tuple((table[name] is not None, table[name]) for name in _ORDER)
