"""Reads the frame marks of canvases from a screenshot of a page, as a user would see them; see ``leaderboard.sheet.frame_mark``."""

import io

import numpy as np
from PIL import Image

from leaderboard.sheet import MARK_BLOCKS, MARK_HEIGHT, frame_mark

BOXES = """canvases => canvases.map(c => {
  const box = c.getBoundingClientRect(), words = c.parentElement.textContent.trim();
  const shown = getComputedStyle(c).visibility === 'visible' && box.width > 0;
  return shown ? [box.x + scrollX, box.y + scrollY, box.width, box.height, c.height] : words;
})"""


def read_marks(page, selector):
    """Return for each canvas the (frame, view) that it shows, or the words in its place; the root has class ``show-mark``."""
    boxes = page.locator(selector).evaluate_all(BOXES)
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"))
    return [box if isinstance(box, str) else _read_mark(picture, box) for box in boxes]


def _read_mark(picture, box):
    x, y, width, height, pixels = box
    row = int(y + height * (1 - MARK_HEIGHT / 2 / pixels))
    columns = [int(x + width * (2 * block + 1) / (2 * MARK_BLOCKS)) for block in range(MARK_BLOCKS)]
    bits = (picture[row, columns] > 127).astype(int)
    frame, view = int("".join(map(str, bits[:8])), 2), int("".join(map(str, bits[8:12])), 2)
    assert list(bits) == list(frame_mark(frame, view)), f"no mark: {bits}"
    return frame, view
