"""pyproject.toml lists every package, and versions agree."""

import importlib.metadata
import tomllib
from pathlib import Path

from setuptools import find_packages

ROOT = Path(__file__).parents[1]


def test_every_folder_of_code_is_a_package_that_setuptools_finds():
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    tops = [pattern.rstrip("*") for pattern in find["include"]]
    folders = {path.parent for top in tops for path in (ROOT / top).rglob("*.py")}
    found = find_packages(str(ROOT), include=find["include"])
    assert {"hoibench", "leaderboard", "reference_model", "splits"} <= set(tops)
    assert sorted(found) == sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)


def test_version_and_changelog_agree():
    import hoibench

    assert importlib.metadata.version("hoibench") == hoibench.__version__
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# Changelog")
