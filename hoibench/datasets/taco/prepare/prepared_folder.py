"""What is where in a folder of prepared clips.

OUT/prepared.json says what all of it was made with.  OUT/KEY/tracks holds the true tracks of a sequence, OUT/KEY/CROP-VIDEO/SERIAL what one
camera shows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hoibench.datasets.taco.protocol import Recipe

VIDEO = "video.mp4"
VIEW = "view.npz"
TRACKS = "tracks.npz"


def tracks_folder(out: Path, key: str) -> Path:
    """Where the tracks of a sequence are."""
    return out / key / "tracks"


def view_folder(out: Path, key: str, recipe: Recipe, serial: str) -> Path:
    """Where one view of a sequence is."""
    return out / key / recipe.name / serial


def view_folders(out: Path, key: str) -> Iterator[Path]:
    """Where the views of a sequence are that are there, of all recipes."""
    return (folder for folder in sorted((out / key).glob("*-*/[0-9]*")) if folder.is_dir())
