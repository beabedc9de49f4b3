"""The package that ``hoibench init-method`` writes: a method that runs at once, to be replaced by one's own."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from hoibench.methods.registry import installed_specs
from hoibench.reference_rows import REFERENCES
from hoibench.store.atomic import ensure_folder

_TEMPLATES = "package_template"
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "submission.toml": "submission.toml",
    "__init__.py": "src/$name/__init__.py",
    "adapter.py": "src/$name/adapter.py",
    "spec.toml": "src/$name/spec.toml",
    "test_method.py": "test_$name.py",
}
"""The path in the package of each template, whose file has ``.txt`` after its name.

The code is in ``src``: a folder NAME/NAME would be found as a module without code by commands that run beside it.
"""


def check_package_name(name: str) -> None:
    """Check that ``name`` can be the id of a new method, and the name of its package and module.

    Raises:
        ValueError: it has another form, or is used already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
        hint = f", e.g. {near}" if re.fullmatch(r"[a-z][a-z0-9_]*", near) and not keyword.iskeyword(near) else ""
        raise ValueError(
            f"{name!r:.60} cannot name a Python package: use at most 40 small letters, digits and '_', a letter first{hint}"
        )
    if name in installed_specs() or name in REFERENCES:
        raise ValueError(f"{name} is the id of a method that hoibench has already: choose another name")
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None:  # a folder without code has no origin
        raise ValueError(f"{name} is the name of a Python module, which the package would hide: choose another name")


def write_package(name: str, folder: Path) -> None:
    """Write a package with a method ``name`` to a new folder.

    Raises:
        ValueError: the name cannot be used; see ``check_package_name``.
        FileExistsError: the folder exists.
        OSError: the folder cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{folder} exists already: choose another folder, or remove it")
    check_package_name(name)
    words = {
        "name": name,
        "project": name.replace("_", "-"),
        "title": name.replace("_", " ").capitalize(),
        "class_name": "".join(part.capitalize() for part in name.split("_")),
    }

    def fill(new: Path) -> None:
        for template, target in _FILES.items():
            text = (files("hoibench.methods") / _TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
            path = new / Template(target).substitute(words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(text).substitute(words), encoding="utf-8")

    ensure_folder(folder, fill)
