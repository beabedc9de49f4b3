"""Where the parts of a checkpoint lie, and what their config.json says; imports no torch, so that what is missing is told at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
DOWNLOAD = f"hf download {REPOSITORY} --local-dir FOLDER"
AGAIN = f"Copy or download it again; for Wan's: {DOWNLOAD}"

T = TypeVar("T")


def part(folder: Path, name: str) -> Path:
    """A subfolder of a checkpoint.

    Raises:
        FileNotFoundError: it is not there; says what to download, or that the checkpoint is one level up.
    """
    path = Path(folder) / name
    if path.is_dir():
        return path
    above = Path(folder).absolute().parent
    fix = (
        f"The checkpoint is one level up: give {above}"
        if Path(folder).is_dir() and (above / name).is_dir()
        else f"Expected a copy of {REPOSITORY}, with its subfolders transformer, vae, text_encoder and tokenizer: {DOWNLOAD}"
    )
    raise FileNotFoundError(f"{path if Path(folder).is_dir() else folder}: no such folder. {fix}")


def read_config(folder: Path) -> dict[str, Any]:
    """The object in config.json.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON object; names the file.
    """
    return read_object(folder / "config.json")


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises as ``read_config``."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. {AGAIN}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}). {AGAIN}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object. {AGAIN}")
    return value


def check_kinds(folder: Path, stored: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise ValueError if a field of config.json is of another type than its default, where that is not None; names the field."""
    for name, default in defaults.items():
        if name in stored and default is not None and not _alike(stored[name], default):
            raise ValueError(
                f"{folder / 'config.json'}: {name} is {stored[name]!r}, expected {_kind(default)}. {AGAIN}"
            )


def built(folder: Path, build: Callable[[], T]) -> T:
    """What is built of a config.json.

    Raises:
        ValueError: no model can be built of it; names the file and what its library said.
    """
    try:
        return build()
    except Exception as error:  # libraries raise whatever their arithmetic does on values that they never thought of
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"no model can be built of {folder / 'config.json'} ({said}). {AGAIN}") from error


def _alike(value: Any, default: Any) -> bool:
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple) and all(_alike(each, next(iter(default), each)) for each in value)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def _kind(default: Any) -> str:
    if isinstance(default, list | tuple):
        return f"a list of {type(default[0]).__name__}" if default else "a list"
    return type(default).__name__
