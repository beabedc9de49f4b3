"""Draw the pictures of synthetic clips in docs/pictures: ``python docs/pictures/draw.py`` draws clip-ID.jpg, three clips with a row per view."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hoibench.datasets.synthetic.dataset import SyntheticDataset

FOLDER = Path(__file__).parent
CLIPS = {"20230927_272": (0, 2, 4), "20231002_129": (0, 5, 10), "20231002_254": (0, 3, 6)}
ENLARGED = 4


def strip(video: np.ndarray, frames: Sequence[int]) -> Image.Image:
    """Return a picture of frames of a video (V, N, H, W, 3), a row per view."""
    return Image.fromarray(np.vstack([np.hstack(view[list(frames)]) for view in video]))


if __name__ == "__main__":
    dataset = SyntheticDataset.open(None)
    videos = {entry.id: dataset.load(entry).video for entry in dataset.manifest("demo").entries}
    for name, frames in CLIPS.items():
        picture = strip(videos[name], frames)
        size = (ENLARGED * picture.width, ENLARGED * picture.height)
        picture.resize(size, Image.Resampling.LANCZOS).save(FOLDER / f"clip-{name}.jpg", quality=78, optimize=True)
