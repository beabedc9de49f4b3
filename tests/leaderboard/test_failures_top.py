"""The first screen of a page with a method that failed, in a real browser."""

import fake_runs
import pytest

from leaderboard.build import build

pytestmark = pytest.mark.browser

FAILURES = [
    {"unit": f"svimo/seed-0/{n}", "stage": "generate", "reason": "KeyError: 'prompt' (adapter.py:42)", "log": f"logs/svimo/seed-0/{n}.log"}
    for n in range(6)
]  # fmt: skip


def test_the_first_screen_says_which_method_failed_and_why(tmp_path, visit, screenshot):
    def edit(row):
        return row | {"value": None, "status": "failed", "reason": "no"} if row["method"] == "svimo" else row

    methods = [*fake_runs.REFERENCE_ROWS[:1], *fake_runs.METHODS[:2]]
    run = fake_runs.write_run(
        tmp_path / "run", methods, 6, edit=edit, exit={"status": "over_budget", "failures": FAILURES}
    )
    page = visit(build([run], tmp_path / "page", fake_runs.CARDS).as_uri(), viewport={"width": 1280, "height": 800})
    screenshot(page, "failed")
    table = page.locator("section.failures tbody tr")
    assert table.inner_text().split("\t") == [
        "run", "svimo", "6 of 6", "generate", "KeyError: 'prompt' (adapter.py:42)", "run/logs/svimo/seed-0/0.log",
    ]  # fmt: skip
    failed = page.locator(".plots tr", has_text="SViMo").locator(".failed-clips").first
    assert failed.inner_text() == "failed 0/6"
    for part in (table, failed):
        box = part.bounding_box()
        assert box["y"] + box["height"] <= 800
