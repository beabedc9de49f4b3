"""Plug-ins: an entry point names a package, and the TOML files in that package are torch-free specs.

Listing specs imports nothing but the named packages' ``__init__``; the ``module:attribute`` that a spec names is imported only when it runs.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from hoibench.store.records import explain

SPEC_FILE = "spec.toml"
"""The spec of one method: in a package's folder, beside an adapter's file, and in a folder of predictions."""

_SHOWN = 20


class UnknownName(ValueError):
    """A name that no spec has; the message gives the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        more = f", ... ({len(known)} in all)" if len(known) > _SHOWN else ""
        listed = f"known: {', '.join(known[:_SHOWN]) or 'none'}{more}"
        hint = f"did you mean {' or '.join(near)}?" if near else listed
        super().__init__(f"unknown {kind} {name!r}: {hint}")


def read_specs(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, table) for each spec in the packages registered under an entry-point group: their TOML files, and any spec.toml below them.

    Built-in packages come first, so that a caller can refuse a plug-in that reuses a built-in name.

    Raises:
        ValueError: a file is not TOML; the message names it.
    """
    points = sorted(importlib.metadata.entry_points(group=group), key=lambda p: (not is_built_in(p.value), p.name))
    for point in points:
        for where, item in _toml_files(point.value, files(point.value)):
            try:
                yield where, tomllib.loads(item.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{where} is not valid TOML: {error}") from error


def _toml_files(where: str, folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    """Every TOML file of a folder, and below it those called spec.toml, so that each plug-in may have a folder of its own."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        path = f"{where}/{item.name}"
        if item.name.endswith(".toml"):
            yield path, item
        elif item.is_dir():
            yield from (found for found in _toml_files(path, item) if found[1].name == SPEC_FILE)


def is_built_in(module: str) -> bool:
    """Whether a module belongs to the benchmark's own packages."""
    return module.partition(".")[0] in ("hoibench", "reference_model", "baselines")


def load_object(target: str) -> Any:
    """Import what ``module:attribute`` or ``path/to/file.py:attribute`` names.

    Raises:
        ValueError: the target is not of that form, the attribute is missing, or the file cannot be imported; names file and reason.
        FileNotFoundError: the file is missing.
    """
    module_name, _, attribute = target.rpartition(":")
    if not module_name or not attribute:
        raise ValueError(f"{target!r} names no object: write module:Name or path/to/file.py:Name")
    module = _import_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ValueError(f"{module_name} has no {attribute!r}") from None


def _import_file(path: Path) -> ModuleType:
    """Run a file as a module of its own; the files beside it can be imported from then on, as beside a script."""
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such adapter file")
    name = f"hoibench_adapter_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported as Python")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look for it there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if not isinstance(error, Exception):
            raise
        raise ValueError(f"{path} {_import_failure(error)}") from error
    return module


def _import_failure(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the module {error.name!r}, which is not installed: install it, or put it beside the file"
    if isinstance(error, ValidationError):  # of the Spec that the file declares
        return explain(error, object, "declares a wrong spec")
    return f"cannot be imported ({type(error).__name__}: {error})"


def source_file(target: str) -> Path | None:
    """The Python file that ``module:attribute`` or ``file.py:attribute`` names, or None where there is none; the module is not run."""
    module_name = target.rpartition(":")[0]
    if module_name.endswith(".py"):
        return Path(module_name)
    spec = importlib.util.find_spec(module_name)
    return Path(spec.origin) if spec is not None and spec.origin is not None and spec.has_location else None
