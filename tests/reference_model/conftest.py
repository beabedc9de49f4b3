import pytest


@pytest.fixture(scope="session")
def overfitted(tmp_path_factory, wan_folder):
    """What ``overfit`` gives, trained once for all slow tests; ``overfitted.folder`` is the model's."""
    from overfit import overfit

    return overfit(tmp_path_factory.mktemp("overfit"), wan_folder)
