"""The model folders import torch, diffusers, einops, spconv, scipy, hoibench.geometry, a few modules beside them, and each other."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "reference_model"
ALLOWED = (
    "torch",
    "diffusers",
    "einops",
    "spconv",
    "scipy",
    "hoibench.geometry",
    "reference_model.ablations.rows",
    "reference_model.config",
    "reference_model.float32_layers",
    "reference_model.rectified_flow",
    "reference_model.mjd",
    "reference_model.dpa",
    "reference_model.cycle",
)
FILES = [
    ROOT / "config/__init__.py",
    ROOT / "ablations/rows.py",
    ROOT / "config/models.py",
    ROOT / "config/presets.py",
    ROOT / "config/fields.py",
    ROOT / "float32_layers.py",
    ROOT / "rectified_flow.py",
    *sorted(path for part in ("mjd", "dpa", "cycle") for path in (ROOT / part).rglob("*.py")),
]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_allowed(path):
    forbidden = [
        name
        for name in imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == each or name.startswith(each + ".") for each in ALLOWED)
    ]
    assert not forbidden


@pytest.mark.parametrize("part", ["mjd", "dpa"])
def test_the_two_models_import_neither_the_loop_nor_each_other(part):
    others = tuple(f"reference_model.{each}" for each in ("mjd", "dpa", "cycle") if each != part)
    names = [name for path in (ROOT / part).rglob("*.py") for name in imported(path)]
    assert names and not [name for name in names if name.startswith(others)]
