"""The available methods: installed ones, adapter files, and folders of predictions."""

from __future__ import annotations

import ast
import zipfile
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from typing import Any

from pydantic import ValidationError

from hoibench.clip import Pairing
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.spec import OUTPUTS, Output, Spec, parse_spec
from hoibench.plugins import SPEC_FILE, load_object, read_specs
from hoibench.processes import OutputLog, WorkerCrash, call_once
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED, REFERENCES
from hoibench.store.records import explain, read_toml


@lru_cache(maxsize=1)
def installed_specs() -> dict[str, Spec]:
    """Return the specs of all installed methods by id, built-in ones first.

    Raises:
        ValueError: two specs have the same id, or a file is wrong.
    """
    specs: dict[str, Spec] = {}
    for where, table, folder in read_specs("hoibench.methods"):
        spec = parse_spec(where, table, folder)
        check_not_reserved(where, spec.id)
        if spec.id in specs:
            raise ValueError(f"{where}: a method {spec.id!r} is already registered; choose another id")
        specs[spec.id] = spec
    return specs


IMPORT_SECONDS = 300.0
"""Time limit for importing an adapter's file to read its spec."""


def adapter_spec(target: str) -> Spec:
    """Return the spec of ``path/to/file.py:Class``: ``spec.toml`` next to the file, or its class attribute ``spec``, read in a process of its own.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the target has another form, the file cannot be imported, or the adapter has no spec; with the end of what the import printed.
    """
    path, name = _find_adapter(target)
    spec_file = path.parent / SPEC_FILE
    spec = _read_spec(spec_file) if spec_file.is_file() else _import_in_process(target)
    check_not_reserved(f"--adapter {target}", spec.id)
    return spec.model_copy(update={"entry": f"{path}:{name}", "kind": "method", "folder": None})


def _find_adapter(target: str) -> tuple[Path, str]:
    """Return the file and the name of the class, without running the file."""
    path_text, _, name = target.rpartition(":")
    path = Path(path_text).resolve()
    if not name.isidentifier() or path.suffix != ".py":
        raise ValueError(f"--adapter {target!r}: write path/to/file.py:Class")
    if not path.is_file():
        raise FileNotFoundError(f"--adapter {target}: no such file {path}")
    if name not in _find_classes(path):
        raise ValueError(f"--adapter {target}: {path} defines no class {name!r}")
    return path, name


def _import_in_process(target: str) -> Spec:
    output = OutputLog()
    try:
        return call_once(import_adapter_spec, target, timeout=IMPORT_SECONDS, output=output)
    except WorkerCrash as crash:
        reason = f"--adapter {target}: {crash}, while the file was imported"
    except TimeoutError:
        reason = f"--adapter {target}: the import of the file has not ended after {IMPORT_SECONDS:g} s"
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else f"--adapter {target}: {error}"
    printed = output.tail(5)
    raise ValueError(f"{reason}\nIt printed:\n{indent(printed, '  ')}" if printed else reason)


def import_adapter_spec(target: str) -> Spec:
    """Import the file of ``path/to/file.py:Class`` into this process and return the class attribute ``spec``.

    Raises:
        ValueError: the file cannot be imported, or the class has no spec.
    """
    path, name = _find_adapter(target)
    spec = getattr(load_object(f"{path}:{name}"), "spec", None)
    if not isinstance(spec, Spec):
        raise ValueError(
            f"--adapter {target}: give {name} a class attribute `spec = Spec(...)`, or write {path.parent / SPEC_FILE}"
        )
    return Spec(**dict(spec))  # never a class of the adapter's own, which the receiver does not have


def _find_classes(path: Path) -> set[str]:
    """Return the names of the classes in a Python file, without running it."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is not valid Python: {error}") from error
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def folder_spec(name: str, folder: Path, method: Spec | None = None, declared: Spec | None = None) -> Spec:
    """Return the spec of a folder of predictions under ``name``: ``declared``, or from ``spec.toml``, or ``method`` of that name, or a default.

    Without ``declared`` and ``spec.toml``, its outputs are those of the files.  Stored predictions have neither presets nor settings, and cannot
    claim to be deterministic, since the claim cannot be checked.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the name or the spec is wrong.
    """
    check_not_reserved(f"--method {name}={folder}", name)
    if not folder.is_dir():
        raise FileNotFoundError(f"--method {name}={folder}: no such folder")
    spec_file = folder / SPEC_FILE
    if declared is None and spec_file.is_file():
        declared = _read_spec(spec_file)
    spec = declared or method or Spec(id="folder")
    stored: dict[str, Any] = {"id": name, "entry": "", "folder": folder.resolve(), "deterministic": False}
    unneeded: dict[str, Any] = {"presets": {}, "settings": {}, "files": (), "min_gpu_mb": None}
    if declared is None:
        stored["outputs"] = _find_outputs(folder)
        stored["pairing"] = _pairing_of(spec, stored["outputs"])
    try:
        return Spec(**{**dict(spec), **stored, **unneeded})
    except ValidationError as error:
        raise ValueError(explain(error, Spec, f"--method {name}={folder}")) from error


def _pairing_of(spec: Spec, outputs: tuple[Output, ...]) -> Pairing:
    """Return the pairing of the preset that has these outputs, if the method itself has others."""
    variants = [spec, *(spec.with_preset(name) for name in spec.presets)]
    return next((each.pairing for each in variants if set(each.outputs) == set(outputs)), spec.pairing)


def _find_outputs(folder: Path) -> tuple[Output, ...]:
    """Return the outputs of a folder without a spec: the videos and arrays that any of its clips has."""
    found: set[str] = set()
    for path in folder.rglob("tracks.npz"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found |= {name.removesuffix(".npy") for name in archive.namelist()}
        else:
            found.add("tracks")  # damaged; reading the clip reports it
    if next(folder.rglob("view-*.m*"), None) is not None:
        found.add("video")
    if not found:
        raise ValueError(f"{folder} has no predictions: expected CLIP/view-0.mp4, ... and CLIP/tracks.npz")
    return tuple(name for name in OUTPUTS if name in found)


def _read_spec(path: Path) -> Spec:
    return parse_spec(str(path), read_toml(dict[str, Any], path), path.parent)


def check_not_reserved(where: str, name: str) -> None:
    """Raise ValueError if ``name`` is that of one of the benchmark's own rows; ``where`` starts the message."""
    if name in REFERENCES or name.startswith((FROZEN_SELF, PUBLISHED)):
        raise ValueError(f"{where}: {name!r} is the name of one of the benchmark's own rows; choose another id")


def load_method(entrant: Entrant, runtime: Runtime) -> Method:
    """Import a method's class and create the method.

    Raises:
        ValueError: the entry names no ``Method`` class.
    """
    entry = entrant.spec.entry
    method = load_object(entry)(entrant, runtime)
    if not isinstance(method, Method):
        raise ValueError(f"{entry} is a {type(method).__name__}, expected a hoibench.methods.method.Method")
    return method
