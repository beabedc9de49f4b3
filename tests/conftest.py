import operator
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(1, str(ROOT / "hoibench" / "methods" / "worker_side"))  # as the environment of a worker has it
pytest_plugins = ["disk_cache", "toy_package", "taco_fixtures", "tiny_wan", "requests_for_models", "synthetic_clips"]


with suppress(ImportError):  # the base install has no hypothesis
    from hypothesis import settings

    # The machine may be busy.
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Seed the global generators before each test and its fixtures, so that results do not depend on the order of tests."""
    random.seed(0)
    for library, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
        if module := sys.modules.get(library):
            operator.attrgetter(seed)(module)(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let skipped tests fail if HOIBENCH_NO_SKIPS names one of their markers."""
    outcome = yield
    report = outcome.get_result()
    wanted = [name for name in os.environ.get("HOIBENCH_NO_SKIPS", "").split(",") if name]
    if report.skipped and not hasattr(report, "wasxfail") and any(item.get_closest_marker(name) for name in wanted):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which HOIBENCH_NO_SKIPS forbids: {report.longrepr}"


@pytest.fixture(scope="session")
def field_data() -> Path:
    """The folder of real data; tests that need it are skipped if it does not exist."""
    folder = Path(os.environ.get("HOIBENCH_FIELD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder} (HOIBENCH_FIELD_DATA)")
    return folder
