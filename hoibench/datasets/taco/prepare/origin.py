"""What all clips of a prepared folder were made with: written once, by whoever comes first, and held to by all others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoibench.datasets.taco.prepare.sealed import SCHEMA, writing
from hoibench.store import read_json, write_json

_ORIGIN = "prepared.json"


@dataclass(frozen=True)
class Origin:
    """What all clips of a prepared folder were made with.

    Attributes:
        truth: ``taco``, ``proxy-hand`` or ``synthetic``.
        hand_model: ``HandModel.identity``.
        native_size: (H, W) of the download's videos.
    """

    truth: str
    hand_model: str
    native_size: tuple[int, int]


def is_origin(out: Path) -> bool:
    """Whether a folder is one of prepared clips."""
    return (out / _ORIGIN).is_file()


def read_origin(out: Path) -> Origin:
    """What a folder of prepared clips was made with.

    Raises:
        FileNotFoundError: it is no such folder.
        ValueError: its record is of another version, or damaged.
    """
    path = out / _ORIGIN
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {out} is no folder that hoibench data prepare wrote")
    table = read_json(path, SCHEMA)
    try:
        height, width = table["native_size"]
        return Origin(str(table["truth"]), str(table["hand_model"]), (int(height), int(width)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not say how its clips were made ({error!r}): prepare into a new folder"
        ) from error


def claim(out: Path, origin: Origin) -> None:
    """Write down what a folder of prepared clips is made with, if it is new; of several processes at once, one does.

    Raises:
        ValueError: the clips that are there were made with something else.
        Unwritable: the folder cannot be written.
    """
    if not is_origin(out):
        with writing():
            _write_once(out / _ORIGIN, {"schema": SCHEMA, **asdict(origin)})
    _refuse_others(out, asdict(origin))


def check_made_with(out: Path, truth: str, hand_model: str) -> None:
    """Raise ValueError if a folder holds clips of another truth or hand model."""
    if is_origin(out):
        _refuse_others(out, {"truth": truth, "hand_model": hand_model})


def _refuse_others(out: Path, wanted: Mapping[str, Any]) -> None:
    there = asdict(read_origin(out))
    said = ", ".join(f"{name} {there[name]}, now {value}" for name, value in wanted.items() if there[name] != value)
    if said:
        raise ValueError(f"{out} was prepared otherwise ({said}): prepare into another folder")


def _write_once(path: Path, table: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all, unless there is one by then."""
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")
    try:
        write_json(temporary, table)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links, where the last of several at once wins
            if not path.exists():
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
