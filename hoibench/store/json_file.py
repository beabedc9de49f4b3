"""Strict JSON files (no NaN or infinity), read with a check of the key ``schema``, which names the file format."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from hoibench.store.atomic import write_bytes
from hoibench.store.bounded_file import read_bounded

MAX_BYTES = 64 << 20


def write_json(path: Path, value: Any) -> None:
    """Write a value as strict, indented JSON to the file ``path``, atomically.

    Raises:
        ValueError: the value contains NaN or infinity, which JSON cannot represent.
    """
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, schema: str) -> dict[str, Any]:
    """Return the object in a JSON file, after checking that its key ``schema`` (the name of the file format) has the value ``schema``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is no regular file, larger than 64 MiB, not strict JSON, not an object, or has another schema; names the file.
    """
    return parse_json(read_bounded(path, MAX_BYTES), schema, str(path))


def parse_json(data: bytes, schema: str, where: str) -> dict[str, Any]:
    """Return the object in the contents of a JSON file, checked as ``read_json`` does; ``where`` names the file in the message of a ValueError."""
    try:
        value = json.loads(data, parse_constant=_refuse_constant, parse_float=_parse_float)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not strict JSON: {error}: restore the file, or write it again") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a JSON object, expected one with schema {schema!r}")
    if value.get("schema") != schema:
        raise ValueError(
            f"{where}: schema is {value.get('schema')!r}, expected {schema!r}: "
            "another version of hoibench wrote it; use that version, or write it again"
        )
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.40} is too large")
    return value
