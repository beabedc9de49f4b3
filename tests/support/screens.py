"""The screens of a run for looking at them: python tests/support/screens.py FOLDER [CHROMIUM]

A run of two clips, in which one of two methods fails on both, is shown at the start, midway and at the end, on terminals of 80 and 40 columns
and without a terminal; page.png is the top of its page.  Not a test.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from fork_server import fork
from playwright.sync_api import sync_playwright
from terminal import Screen, fork_on_terminal

MOMENTS = {
    "start": r"^loading",
    "generating": r"^generating clips",
    "a method": r"^syncmv4d.* clip",
    "scoring": r"^scoring .*\n(.*\n)?.*@",
}
ADAPTER = """
from hoibench.methods.method import Method

class Flaky(Method):
    def generate(self, request):
        print("looking at", request.clip_id)
        raise KeyError("depth")
"""
SPEC = 'id = "flaky"\nentry = "flaky.py:Flaky"\nname = "Flaky"\noutputs = ["tracks"]\n'


def main(out: Path, chromium: str | None) -> None:
    """Run, and write the screens and the picture of the page."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "adapter").mkdir()
    (out / "adapter" / "flaky.py").write_text(ADAPTER)
    (out / "adapter" / "spec.toml").write_text(SPEC)
    words = ["-m", "hoibench.run", "--method", "syncmv4d", "--adapter", "adapter/flaky.py:Flaky", "--limit", "2"]
    words += ["--workers", "2", "--metrics", "rpe,chamfer,matching_pixels/sift-mnn,ssim"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "xterm"}
    env.pop("COLUMNS", None)
    for columns in (80, 40):
        env["HOIBENCH_CACHE"] = str(out / f"cache-{columns}")
        process, output = fork_on_terminal([*words, "--out", f"run-{columns}"], columns, cwd=out, env=env)
        screen, found = Screen(columns), dict[str, str]()
        for text in output:
            screen.feed(text)
            for moment, pattern in MOMENTS.items():
                if re.search(pattern, screen.text, re.MULTILINE):
                    found.setdefault(moment, screen.text)
        process.wait()
        for moment, shown in (found | {"end": screen.text}).items():
            (out / f"{columns}-{moment.replace(' ', '-')}.txt").write_text(shown + "\n")
    lines = fork([*words, "--out", "run-lines"], imports="preimport_run", cwd=out, env=env)
    stdout, stderr = lines.communicate()
    (out / "no-terminal.txt").write_text(f"{stderr}[standard output]\n{stdout}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium or shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto((out / "run-80" / "leaderboard" / "index.html").as_uri())
        page.screenshot(path=out / "page.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2] if len(sys.argv) > 2 else None)
