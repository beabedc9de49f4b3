from pathlib import Path

import pytest

from hoibench.plugins import load_object


@pytest.fixture(scope="session")
def fake():
    """The module of made-up runs, shared with the page's tests."""
    return load_object(f"{Path(__file__).parents[1] / 'fake_runs.py'}:MODULE")
