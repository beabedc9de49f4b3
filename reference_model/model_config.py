"""Where the parts of a checkpoint lie, and what their config.json says; imports no torch, so that what is missing is told at once."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from hoibench.store.records import parse_record

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


def check_arguments(folder: Path, stored: Mapping[str, Any], model: type) -> None:
    """Raise ValueError if config.json holds an argument of a model of diffusers that is not of the type annotated there; names it."""
    try:
        parse_record(_arguments(model), stored, str(folder / "config.json"))
    except ValueError as error:
        raise ValueError(f"{error}. {AGAIN}") from error


@cache
def _arguments(model: type) -> type[BaseModel]:
    """The arguments of a model of diffusers as a model of pydantic; config.json holds other keys, too."""
    init = inspect.unwrap(model.__init__)  # type: ignore[misc]  # of this very class
    hints = get_type_hints(init)
    defaults = {name: each.default for name, each in inspect.signature(init).parameters.items() if name in hints}
    fields: dict[str, Any] = {name: (hints[name], default) for name, default in defaults.items()}
    return create_model(model.__name__, __config__=ConfigDict(strict=True), **fields)


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
