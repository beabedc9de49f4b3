"""Which methods there are: entry points, adapter files and folders of predictions."""

from __future__ import annotations

import ast
import tomllib
import zipfile
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.spec import OUTPUTS, Output, Spec, parse_spec
from hoibench.plugins import SPEC_FILE, load_object, read_specs
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED, REFERENCES
from hoibench.store.records import explain


@lru_cache(maxsize=1)
def installed_specs() -> dict[str, Spec]:
    """Every installed method by id, built-in ones first.

    Raises:
        ValueError: two specs share an id, or a file is wrong.
    """
    specs: dict[str, Spec] = {}
    for where, table in read_specs("hoibench.methods"):
        spec = parse_spec(where, table)
        _refuse_reserved(where, spec.id)
        if spec.id in specs:
            raise ValueError(f"{where}: a method {spec.id!r} is already registered; choose another id")
        specs[spec.id] = spec
    return specs


def adapter_spec(target: str) -> Spec:
    """The spec of ``path/to/file.py:Class``: its class attribute ``spec``, or ``spec.toml`` beside the file.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the target is malformed, or the adapter has no spec.
    """
    path_text, _, name = target.rpartition(":")
    path = Path(path_text).resolve()
    if not name.isidentifier() or path.suffix != ".py":
        raise ValueError(f"--adapter {target!r}: write path/to/file.py:Class")
    if not path.is_file():
        raise FileNotFoundError(f"--adapter {target}: {path} is no file")
    if name not in _classes_in(path):
        raise ValueError(f"--adapter {target}: {path} defines no class {name!r}")
    beside = path.parent / SPEC_FILE
    entry = f"{path}:{name}"
    spec = _read_spec(beside) if beside.is_file() else getattr(load_object(entry), "spec", None)
    if not isinstance(spec, Spec):
        raise ValueError(f"--adapter {target}: give {name} a class attribute `spec = Spec(...)`, or write {beside}")
    _refuse_reserved(f"--adapter {target}", spec.id)
    return spec.model_copy(update={"entry": entry, "kind": "method", "folder": None})


def _classes_in(path: Path) -> set[str]:
    """The classes that a file defines; it is not run."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise ValueError(f"{path} is not Python ({error.msg}, line {error.lineno})") from error
    except ValueError as error:
        raise ValueError(f"{path} is not Python ({error})") from error
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def folder_spec(name: str, folder: Path) -> Spec:
    """The spec of predictions that lie in a folder: its ``spec.toml``, or a plain one under ``name``.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    _refuse_reserved(f"--method {name}={folder}", name)
    if not folder.is_dir():
        raise FileNotFoundError(f"--method {name}={folder}: {folder} is no folder of predictions")
    described = folder / SPEC_FILE
    spec = _read_spec(described) if described.is_file() else Spec(id="folder", outputs=_outputs_in(folder))
    try:
        return Spec(**{**dict(spec), "id": name, "entry": "", "folder": folder.resolve()})
    except ValidationError as error:
        raise ValueError(explain(error, Spec, f"--method {name}={folder}")) from error


def _outputs_in(folder: Path) -> tuple[Output, ...]:
    """What a folder without a spec gives: the videos and arrays that lie there for any clip."""
    arrays: set[str] = set()
    for path in folder.rglob("tracks.npz"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                arrays |= {name.removesuffix(".npy") for name in archive.namelist()}
        else:
            arrays.add("tracks")  # broken, which its clip will say
    if next(folder.rglob("view-*.m*"), None) is not None:
        arrays.add("video")
    if not arrays:
        raise ValueError(f"{folder} holds no view-*.mp4 and no tracks.npz of any clip")
    return tuple(name for name in OUTPUTS if name in arrays)


def _read_spec(path: Path) -> Spec:
    try:
        return parse_spec(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from error


def _refuse_reserved(where: str, name: str) -> None:
    if name in REFERENCES or name.startswith((FROZEN_SELF, PUBLISHED)):
        raise ValueError(f"{where}: {name!r} is a name of the benchmark's own rows; choose another id")


def load_method(entrant: Entrant, runtime: Runtime) -> Method:
    """Import a method's class and make it.

    Raises:
        ValueError: the entry names no class that is a ``Method``.
    """
    entry = entrant.spec.entry
    made = load_object(entry)(entrant, runtime)
    if not isinstance(made, Method):
        raise ValueError(f"{entry} is a {type(made).__name__}, not a hoibench.methods.method.Method")
    return made
