"""Reading and checking config.json in model folders of diffusers and transformers.

The module does not import torch, which takes seconds, so that commands report a missing file at once.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from hoibench.store.records import parse_record
from hoibench.text import count

REPOSITORY = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
DOWNLOAD_COMMAND = f"hf download {REPOSITORY} --local-dir FOLDER"
COPY_AGAIN = f"Copy or download it again; for Wan: {DOWNLOAD_COMMAND}"

CONFIG_FILE = "config.json"
WAN_PARTS = ("vae", "text_encoder", "tokenizer")
"""Subfolders of a copy of Wan2.2-TI2V-5B-Diffusers that the model uses as they are; it trains the transformer."""

T = TypeVar("T")


def find_part(checkpoint: Path, name: str) -> Path:
    """Return the path of subfolder ``name``, such as ``vae``, of a copy of Wan2.2-TI2V-5B-Diffusers.

    Raises:
        FileNotFoundError: the subfolder is missing; says what to download, or that the checkpoint is one level up.
    """
    checkpoint = Path(checkpoint)
    path = checkpoint / name
    if path.is_dir():
        return path
    above = checkpoint.absolute().parent
    fix = (
        f"The checkpoint is one level up: give {above}"
        if checkpoint.is_dir() and (above / name).is_dir()
        else f"Expected a copy of {REPOSITORY} with subfolders transformer, vae, text_encoder and tokenizer: {DOWNLOAD_COMMAND}"
    )
    raise FileNotFoundError(f"{path if checkpoint.is_dir() else checkpoint}: no such folder. {fix}")


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json in a model's folder, and return the values by key.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a JSON object.
    """
    return read_json_object(folder / CONFIG_FILE)


def find_class(folder: Path, stored: Mapping[str, Any], expected: Iterable[type[T]]) -> type[T]:
    """Return the class of a model of diffusers that ``stored``, the values of config.json in ``folder``, names as ``_class_name``.

    Raises:
        ValueError: it is none of those expected.
    """
    classes = {each.__name__: each for each in expected}
    name = stored.get("_class_name")
    if name not in classes:
        raise ValueError(
            f"{folder / CONFIG_FILE}: _class_name is {name!r}, expected {' or '.join(map(repr, classes))}."
            f" Restore the folder, or for Wan's: {DOWNLOAD_COMMAND}"
        )
    return classes[name]


def check_config(folder: Path, stored: Mapping[str, Any], expected: Mapping[str, Any], fix: str) -> None:
    """Check that the values of config.json are those of the model to be loaded.

    Args:
        folder: folder of config.json, for the message.
        stored: the values of config.json; keys that are not in ``expected`` are ignored.
        expected: values of the model's configuration by key.
        fix: last line of the error message.

    Raises:
        ValueError: values differ or are missing; the message lists all.
    """
    problems = [
        f"{name} is {stored.get(name)!r}, expected {value!r}"
        for name, value in json.loads(json.dumps(expected)).items()  # with lists for tuples, as stored
        if stored.get(name) != value
    ]
    if problems:
        raise ValueError(list_problems(f"{folder / CONFIG_FILE} describes another model", problems, fix))


def check_config_types(folder: Path, stored: Mapping[str, Any], model: type) -> None:
    """Check that the values of config.json have the types annotated in the constructor of ``model``, a class of diffusers.

    Raises:
        ValueError: a value has another type; names file, key and value.
    """
    try:
        parse_record(_arguments(model), stored, str(folder / CONFIG_FILE))
    except ValueError as error:
        raise ValueError(f"{error}. {COPY_AGAIN}") from error


def build_from_config(folder: Path, build: Callable[[], T]) -> T:
    """Return the model that ``build`` builds from the config.json in ``folder``.

    Raises:
        ValueError: the library refused the configuration; names the file and quotes the library.
    """
    try:
        return build()
    except Exception as error:  # libraries raise whatever their arithmetic does on unexpected values
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{folder / CONFIG_FILE} describes no valid model ({reason}). {COPY_AGAIN}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file, and return the values of its object by key; raises the errors of ``read_config``."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. {COPY_AGAIN}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}). {COPY_AGAIN}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not a JSON object. {COPY_AGAIN}")
    return value


def list_problems(title: str, problems: list[str], fix: str) -> str:
    """Return an error message: the title with the number of problems, a line per problem, and the fix."""
    return "\n".join([f"{title} ({count(len(problems), 'problem')}):", *(f"  {each}" for each in problems), fix])


@cache
def _arguments(model: type) -> type[BaseModel]:
    """Return a pydantic model of the constructor arguments of ``model``, a class of diffusers; it ignores other keys of config.json."""
    init = inspect.unwrap(model.__init__)  # type: ignore[misc]  # of this very class
    hints = get_type_hints(init)
    fields: dict[str, Any] = {
        name: (hints[name], each.default) for name, each in inspect.signature(init).parameters.items() if name in hints
    }
    return create_model(model.__name__, __config__=ConfigDict(strict=True), **fields)
