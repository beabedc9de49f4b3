"""Plug-ins: an entry point names a package, and each TOML file in that package is a spec.

Reading specs imports nothing but the named packages' ``__init__``; the ``module:attribute`` in a spec is imported when it is first used.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import ValidationError

from hoibench.store.records import explain, read_toml

V = TypeVar("V")

SPEC_FILE = "spec.toml"
"""The spec of one method: in a package's folder, next to an adapter's file, or in a folder of predictions."""

_MAX_LISTED = 20


class UnknownName(ValueError):
    """A name that does not exist; the message gives the nearest names.

    >>> str(UnknownName("metric", "chamfr", ["rpe", "chamfer"]))
    "unknown metric 'chamfr': did you mean chamfer?"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        more = f", ... ({len(known)} in all)" if len(known) > _MAX_LISTED else ""
        listed = f"known: {', '.join(known[:_MAX_LISTED])}{more}"
        hint = f"did you mean {' or '.join(near)}?" if near else listed if known else "there are none"
        super().__init__(f"unknown {kind} {name!r}: {hint}")


def get_by_name(kind: str, name: str, table: Mapping[str, V]) -> V:
    """Return ``table[name]``.

    Raises:
        UnknownName: the table has no such name.
    """
    if name not in table:
        raise UnknownName(kind, name, table)
    return table[name]


def read_specs(group: str) -> Iterator[tuple[str, dict[str, Any], Path]]:
    """Yield (file, contents, folder) for each spec in the packages of an entry-point group: their TOML files, and every spec.toml in their folders.

    Built-in packages come first, so that callers can reject a plug-in that uses a built-in name again.

    Raises:
        ValueError: a file is not TOML; the message names it.
    """
    points = sorted(importlib.metadata.entry_points(group=group), key=lambda p: (not is_built_in(p.value), p.name))
    for point in points:
        for where, item, folder in _toml_files(point.value, files(point.value)):
            yield where, read_toml(dict[str, Any], item), Path(str(folder))


def _toml_files(where: str, folder: Traversable) -> Iterator[tuple[str, Traversable, Traversable]]:
    """Yield the TOML files of a folder, and every spec.toml below it, each with its folder."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        path = f"{where}/{item.name}"
        if item.name.endswith(".toml"):
            yield path, item, folder
        elif item.is_dir():
            yield from (found for found in _toml_files(path, item) if found[1].name == SPEC_FILE)


def is_built_in(module: str) -> bool:
    """Return True for modules of the benchmark's own packages."""
    return module.partition(".")[0] in ("hoibench", "reference_model", "baselines")


def load_object(target: str) -> Any:
    """Import the object ``module:attribute`` or ``path/to/file.py:attribute``.

    Raises:
        ValueError: the target has another form, the attribute does not exist, or the file cannot be imported; names file and reason.
    """
    module_name, _, attribute = target.rpartition(":")
    if not module_name or not attribute:
        raise ValueError(f"{target!r} is not an object: write module:Name or path/to/file.py:Name")
    module = _import_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ValueError(f"{module_name} has no {attribute!r}") from None


def _import_file(path: Path) -> ModuleType:
    """Import a Python file as a module; afterwards, files in its folder can be imported too, as for a script."""
    path = path.resolve()
    name = f"hoibench_adapter_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # its name ends in .py
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for dataclasses and pickle
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if not isinstance(error, (Exception, SystemExit)):
            raise
        place = locate(error, path)
        raise ValueError(f"{path} {_import_failure(error)}{f' ({place})' if place else ''}") from error
    return module


def _import_failure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the module {error.name!r}, which is not installed: install it, or put it next to the file"
    if isinstance(error, ValidationError):  # of the file's Spec
        return explain(error, object, "has an invalid spec")
    return f"cannot be imported ({type(error).__name__}: {error})"


def find_source_file(target: str) -> Path | None:
    """Return the Python file of ``module:attribute`` or ``file.py:attribute``, or None if there is none; nothing is run."""
    module_name = target.rpartition(":")[0]
    if module_name.endswith(".py"):
        return Path(module_name)
    spec = importlib.util.find_spec(module_name)
    return Path(spec.origin) if spec is not None and spec.origin is not None and spec.has_location else None


def locate(error: BaseException, source: Path) -> str:
    """Return ``FILE:LINE`` of the deepest call in a method's own code, the files in the folder of ``source``; an empty text if there is none."""
    source = source.resolve()
    is_shared = source.parent.name == "site-packages"  # a module without a folder of its own
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file == source if is_shared else file.is_relative_to(source.parent):
            return f"{file.name}:{frame.lineno}"
    return ""
