"""Every example in a docstring of the packages runs and prints what it says."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("baselines", "hoibench", "leaderboard", "reference_model", "splits")
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_function_of_the_table_in_docs_scoring_has_an_example():
    table = re.findall(r"^\| (`.*) \| (`.*) \|$", (ROOT / "docs" / "scoring.md").read_text(), re.MULTILINE)
    documented = 0
    for modules, functions in table:
        loaded = [importlib.import_module(f"hoibench.metrics.{name}") for name in re.findall(r"`(\w+)`", modules)]
        for name in re.findall(r"`(\w+)`", functions):
            (function,) = {getattr(module, name) for module in loaded if hasattr(module, name)}
            assert ">>> " in function.__doc__, name
            documented += 1
    assert documented >= 17
