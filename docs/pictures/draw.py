"""Draw the pictures of synthetic clips in docs/pictures.

``python docs/pictures/draw.py`` draws clip-ID.jpg, three clips with a row per view; with the path of a result page, it also draws overview.png,
a clip above the page's first board (needs playwright and chromium).
"""

import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hoibench.datasets.synthetic.dataset import SyntheticDataset

FOLDER = Path(__file__).parent
CLIPS = {"20230927_272": (0, 2, 4), "20231002_129": (0, 5, 10), "20231002_254": (0, 3, 6)}
OVERVIEW, OVERVIEW_FRAMES = "20231002_129", (0, 3, 6, 9, 12)
OVERVIEW_SIZE = (1280, 1284)
ENLARGED = 4


def strip(video: np.ndarray, frames: Sequence[int]) -> Image.Image:
    """Return a picture of frames of a video (V, N, H, W, 3), a row per view."""
    return Image.fromarray(np.vstack([np.hstack(view[list(frames)]) for view in video]))


def board(page: Path) -> Image.Image:
    """Return a picture of the first board of a result page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": OVERVIEW_SIZE[0], "height": 1000})
        tab.goto(page.resolve().as_uri())
        tab.get_by_role("heading", name="/demo").first.evaluate(
            "e => window.scrollTo(0, e.getBoundingClientRect().top - 40)"
        )
        return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


if __name__ == "__main__":
    dataset = SyntheticDataset.open(None)
    videos = {entry.id: dataset.load(entry).video for entry in dataset.manifest("demo").entries}
    for name, frames in CLIPS.items():
        picture = strip(videos[name], frames)
        size = (ENLARGED * picture.width, ENLARGED * picture.height)
        picture.resize(size, Image.Resampling.LANCZOS).save(FOLDER / f"clip-{name}.jpg", quality=78, optimize=True)
    if len(sys.argv) > 1:
        top = strip(videos[OVERVIEW], OVERVIEW_FRAMES)
        top = top.resize((OVERVIEW_SIZE[0], round(OVERVIEW_SIZE[0] / top.width * top.height)), Image.Resampling.LANCZOS)
        whole = Image.new("RGB", OVERVIEW_SIZE, "white")
        whole.paste(top, (0, 0))
        whole.paste(board(Path(sys.argv[1])), (0, top.height))
        whole.quantize(256).save(FOLDER / "overview.png", optimize=True)
