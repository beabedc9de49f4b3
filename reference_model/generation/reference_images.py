"""A request of one's own: clip.json, which tells cameras, prompt and grid, and a reference image for each view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hoibench.clip import Array, Request
from hoibench.datasets.clip_folder import read_clip
from hoibench.evaluation.request import build_request
from reference_model.spec import own_spec


def read_request(folder: Path, seed: int) -> Request:
    """The request that a folder describes; where no tracks.npz tells which points are asked for, the model chooses them.

    Raises:
        FileNotFoundError: clip.json or an image is missing.
        ValueError: a file is broken; names it.
    """
    if not (folder / "clip.json").is_file():
        raise FileNotFoundError(
            f"{folder / 'clip.json'}: no such file. Expected schema, fps, frames, size, prompt, and views with id, cluster, K, R, t, size"
        )
    clip = read_clip(folder)
    views = tuple(replace(view, image=_image(folder / f"view-{i}.png")) for i, view in enumerate(clip.views))
    return build_request(replace(clip, id=folder.resolve().name, views=views), own_spec(), seed)


def _image(path: Path) -> Array:
    """(H, W, 3) uint8."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file. Give a reference image for each view of clip.json") from error
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is no image that can be read ({error})") from error
