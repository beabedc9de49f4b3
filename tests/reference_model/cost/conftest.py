import io
import json
from contextlib import redirect_stdout

import pytest
from disk_cache import cached_folder

from reference_model.info import info_command


def run_info(*arguments):
    out = io.StringIO()
    with redirect_stdout(out):
        assert info_command(arguments) == 0
    return out.getvalue()


@pytest.fixture(scope="session")
def info_output():
    """A function that runs ``python -m reference_model.info`` with arguments and returns its output."""
    return run_info


@pytest.fixture(scope="session")
def wan():
    """The command's JSON for the paper's model."""

    def build(folder):
        (folder / "wan.json").write_text(run_info("--preset", "wan22_5b", "--json"))

    return json.loads((cached_folder("costs", "wan22_5b", build, ("reference_model",)) / "wan.json").read_text())
