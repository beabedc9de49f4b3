"""Build the demo site and draw its pictures in docs/pictures: ``python docs/pictures/site.py OUT``.

OUT/runs/demo is a run of the shipped model's three presets on twelve clips with three seeds; OUT/runs/published scores the published videos, if
$HOIBENCH_FIELD_DATA has them; OUT/site is the site of both.  Runs that were interrupted are resumed.  The pictures, leaderboard*, show the site of
the first run alone, since published videos may not be passed on; they need playwright and chromium.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
PRESETS = ("syncmv4d", "syncmv4d+micro-mjd_tracks", "syncmv4d+micro-no_guidance")
METRICS = (
    *("rpe", "pi", "chamfer", "smoothness", "accel_error", "motion_following", "mv_rpe_scene", "mv_pi_scene", "xv_rpe", "xv_pi", "reproj_px"),
    *("psnr", "ssim", "net_motion/dis", "dynamic_degree_px/dis", "dynamic_degree/dis", "matching_pixels_rel/sift-mnn"),
)  # fmt: skip
"""The metrics of the run: those without matches between frames, which take most of the time, except one."""
RUN = (
    *(word for preset in PRESETS for word in ("--method", preset)),
    *("--split", "test_seen", "--limit", "12", "--seed", "0,1,2", "--keep-going", "--metrics", ",".join(METRICS)),
)
FRAME = 12
"""The frame of the pictures."""


def build(out: Path) -> Path:
    """Run the shipped model, score the published videos if they are at hand, build the site of both, and return the first run's index.html."""
    out.mkdir(parents=True, exist_ok=True)
    runs = ["runs/demo"]
    _run(out, "-m", "hoibench", "run", *RUN, "--out", runs[0])
    published = Path(os.environ.get("HOIBENCH_FIELD_DATA", "")) / "published"
    if (published / "manifest.json").is_file():
        runs.append("runs/published")
        _run(out, "-m", "hoibench", "run", "--dataset", "videos", "--root", str(published.absolute()), "--out", runs[1])
    _run(out, "-m", "leaderboard.build", *runs, "--out", "site", "--media-clips", "12")
    return out / runs[0] / "leaderboard" / "index.html"


def _run(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=folder, check=True)  # noqa: S603  (words of this file)


def draw(index: Path) -> None:
    """Draw the pictures of a site."""
    with _open(index) as page:
        page.locator(".strip .frame[data-state=ready]").first.wait_for()
        page.locator(".strip button").click()
        _save(page, "leaderboard.jpg", 1040)
        address = page.locator(".highlights tbody tr:first-child a").last.evaluate("link => link.href")
        page.locator(".clips-filter summary").click()
        page.locator(".clips-filter select").nth(2).select_option("bowl")
        page.locator(".filter-state:visible").first.wait_for()
        page.evaluate("document.querySelector('form.controls').scrollIntoView()")
        _save(page, "leaderboard-filter.png", 700)
    with _open(index, width=390) as page:
        page.locator(".strip .frame[data-state=ready]").first.wait_for()
        _save(page, "leaderboard-narrow.jpg", 1150)
    with _open(index, scheme="dark") as page:
        page.goto(f"{address}&frame={FRAME}")
        page.locator(".picture[data-state=ready]").wait_for()
        _save(page, "leaderboard-clip.jpg", 1300, window=900)
    with _open(index.with_name("metrics.html")) as page:
        page.evaluate("document.querySelector('#self-test').scrollIntoView()")
        _save(page, "leaderboard-self-test.png", 700)
    with _open(index.with_name("paper.html")) as page:
        _save(page, "leaderboard-paper.png", 900)


@contextmanager
def _open(path: Path, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(path.absolute().as_uri())
        yield page
        browser.close()


def _save(page: Page, name: str, height: int, window: int | None = None) -> None:
    """Save what a page shows in a window of some height, or its first pixels down to ``height`` in a lower window, once its videos are there."""
    page.set_viewport_size({"width": page.viewport_size["width"], "height": window or height})  # type: ignore[index]
    page.wait_for_function("!document.querySelector('.frame[data-state=loading]')")
    image = Image.open(io.BytesIO(page.screenshot(full_page=window is not None))).convert("RGB")
    image = image.crop((0, 0, image.width, height))
    save: Callable[..., None] = image.save if name.endswith("jpg") else image.quantize(64).save
    save(FOLDER / name, quality=82, optimize=True)


if __name__ == "__main__":
    draw(build(Path(sys.argv[1]).absolute()))
