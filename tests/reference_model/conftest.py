import pytest
from disk_cache import DATA_CODE, cached_folder


@pytest.fixture(scope="session")
def overfitted(wan_folder, train_root):
    """Results of ``overfit``, trained once for all slow tests; ``overfitted.folder`` is the model folder."""
    from overfit import overfit, read_overfit

    code = (*DATA_CODE, "reference_model", "tests/support/overfit.py", "tests/support/tiny_wan.py")
    return read_overfit(cached_folder("overfit", "nano", lambda folder: overfit(folder, wan_folder, train_root), code))
