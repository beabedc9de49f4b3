import functools
import http.server
import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import fake_runs
import fake_site
import pytest
from playwright.sync_api import sync_playwright

from leaderboard.build import build

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium():
    """The headless Chromium on PATH; tests that need it are skipped without one."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES.split())
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a page at a URL, and collect its console messages, failed requests, and requests for anything outside of the page's folder.

    A test ends without any, unless it clears them.
    """
    contexts, messages = [], []

    def open_page(url, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("requestfailed", lambda request: messages.append(f"failed: {request.url}"))
        inside = (url.partition("#")[0].rpartition("/")[0] + "/", "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(inside) or messages.append(f"outside: {request.url}"))
        page.goto(url)
        page.messages = messages
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A page of three fake runs: a synthetic split with failures and missing values, a single-seed demo, and measured videos."""
    root = tmp_path_factory.mktemp("site")
    split = fake_runs.write_run(root / "seen", edit=_add_failures, exit={"status": "over_budget", "failures": FAILURES})
    demo = fake_runs.write_run(root / "demo", fake_runs.REFERENCE_ROWS, clips=6, seeds=(0,), split="synthetic@2/demo")
    videos = fake_runs.write_run(
        root / "videos",
        fake_runs.METHODS[:4],
        clips=4,
        seeds=(0,),
        metrics=fake_runs.VIDEO,
        kind="measured",
        split="videos/all",
        dataset="videos",
    )
    return build([split, demo, videos], root / "page", fake_runs.CARDS)


@pytest.fixture(scope="session")
def run_with_files(tmp_path_factory):
    """A run with the files of ``fake_site``: results, predictions with videos and points, and clips.  Tests that change it copy it first."""
    return fake_site.write_run(tmp_path_factory.mktemp("files") / "run")


@pytest.fixture(scope="session")
def site_with_files(run_with_files, tmp_path_factory):
    """The index.html of the site of ``run_with_files``."""
    return build([run_with_files], tmp_path_factory.mktemp("files-site") / "page", fake_runs.CARDS)


FAILURES = [
    {
        "unit": f"svimo/seed-0/{1001 + n + 20230000}_{n:03d}",
        "stage": "score",
        "reason": "the fitted scale is negative",
        "log": f"logs/svimo/seed-0/{1001 + n + 20230000}_{n:03d}.log",
    }
    for n in range(24)
] + [{"unit": f"das/seed-{n}/20231001_000", "stage": "generate", "reason": f"reason {n % 10}"} for n in range(36)]


def _add_failures(row):
    if row["method"] == "svimo" and row["metric"] == "rpe@1" and row["clip"].endswith(("_003", "_007")):
        return row | {"value": None, "status": "failed", "reason": "the fitted scale is negative"}
    if row["method"] == "das" and row["metric"] == "matching_pixels_dyn/sift-mnn@1":
        return row | {"value": None, "status": "unavailable", "reason": "weights are missing: fetch them"}
    return row


@pytest.fixture(scope="session")
def served(site):
    """The URL of the same page over http on a loopback port."""
    with serve(site.parent) as url:
        yield f"{url}/index.html"


@pytest.fixture(scope="session")
def served_with_files(site_with_files):
    """The URL of the index.html of ``site_with_files`` over http on a loopback port."""
    with serve(site_with_files.parent) as url:
        yield f"{url}/index.html"


@contextmanager
def serve(folder):
    """Serve a folder over http on a loopback port, and yield its URL."""
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def screenshot(request):
    """Save a screenshot in the folder HOIBENCH_SCREENSHOTS, if that is set."""

    def save(page, name):
        if folder := os.environ.get("HOIBENCH_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return save
