"""What pyproject.toml names is what there is."""

import importlib.metadata
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("hoibench", "leaderboard", "splits", "baselines", "reference_model")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert sorted(found) == listed


def test_version_and_changelog_agree():
    import hoibench

    assert importlib.metadata.version("hoibench") == hoibench.__version__
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# Changelog")
