import operator
import os
import random
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(1, str(ROOT / "hoibench" / "methods" / "worker_side"))  # as the environment of a worker has it
collect_ignore = ["support"]  # one of its fake trees has the file test_geo4d.py
pytest_plugins = [
    "disk_cache",
    "toy_package",
    "taco_fixtures",
    "tiny_wan",
    "requests_for_models",
    "s3_server",
    "synthetic_clips",
]


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


@pytest.fixture(autouse=True)
def no_process_is_left(request):
    """Fail a test that leaves processes behind, however detached: a variable in their environment tells whose they are."""
    test = os.environ["HOIBENCH_TEST"] = f"{os.getpid()} {request.node.nodeid}"
    before = set(os.listdir("/proc")) if sys.platform == "linux" else set()
    yield
    deadline = time.monotonic() + 10
    while left := [] if not before else [pid for pid in set(os.listdir("/proc")) - before if is_left(pid, test)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(int(pid), signal.SIGKILL)
            pytest.fail(f"the test has left {len(left)} processes behind, which were killed")
        time.sleep(0.1)


def is_left(pid, test):
    """Return True for a process with ``test`` in its environment, unless it serves later tests too."""
    with suppress(OSError):
        words = Path("/proc", pid, "environ").read_bytes().split(b"\0")
        command = Path("/proc", pid, "cmdline").read_bytes()
        return f"HOIBENCH_TEST={test}".encode() in words and not re.search(b"fork_?server|resource_tracker", command)
    return False


@pytest.fixture(scope="session")
def field_data() -> Path:
    """The folder of real data; tests that need it are skipped if it does not exist."""
    folder = Path(os.environ.get("HOIBENCH_FIELD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder} (HOIBENCH_FIELD_DATA)")
    return folder
