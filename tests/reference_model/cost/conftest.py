import json

import pytest
from counted_costs import printed
from disk_cache import cached_folder


@pytest.fixture(scope="session")
def wan():
    """What the command prints of the paper's model."""

    def build(folder):
        (folder / "wan.json").write_text(printed("--preset", "wan22_5b", "--json"))

    return json.loads((cached_folder("costs", "wan22_5b", build, ("reference_model",)) / "wan.json").read_text())
