"""pyproject.toml lists every package, and versions agree."""

import importlib.metadata
import subprocess
import tomllib
from pathlib import Path

from setuptools import Distribution, find_packages

ROOT = Path(__file__).parents[1]


def test_every_folder_of_code_is_a_package_that_setuptools_finds():
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    tops = [pattern.rstrip("*") for pattern in find["include"]]
    folders = {path.parent for top in tops for path in (ROOT / top).rglob("*.py")}
    found = find_packages(str(ROOT), include=find["include"])
    assert {"baselines", "hoibench", "leaderboard", "reference_model", "splits"} <= set(tops)
    assert sorted(found) == sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)


def test_every_other_file_of_a_package_is_installed_with_it(monkeypatch):
    """Found by setuptools' own command, without the list of files of an earlier build."""
    monkeypatch.chdir(ROOT)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = find_packages(include=settings["packages"]["find"]["include"])
    data = {package if package != "*" else "": patterns for package, patterns in settings["package-data"].items()}
    distribution = Distribution({"packages": packages, "package_data": data})
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    command.manifest_files = {}
    installed = {
        Path(path) for package in packages for path in command.find_data_files(package, package.replace(".", "/"))
    }
    words = ["git", "ls-files", *{package.partition(".")[0] for package in packages}]
    tracked = map(Path, subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines())
    assert not [str(path) for path in tracked if path.suffix != ".py" and path not in installed]


def test_version_and_changelog_agree():
    import hoibench

    assert importlib.metadata.version("hoibench") == hoibench.__version__
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# Changelog")
