import json

import pytest
from counted_costs import printed


@pytest.fixture(scope="session")
def wan():
    """What the command prints of the paper's model."""
    return json.loads(printed("--preset", "wan22_5b", "--json"))
