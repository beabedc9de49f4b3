"""Requests from a user's own folder: clip.json with cameras, prompt, size and number of frames, and one reference image per view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hoibench.clip import Array, Request
from hoibench.clip_file import read_clip
from hoibench.evaluation.request import build_request
from hoibench.methods.spec import Spec


def read_request(folder: Path, spec: Spec, seed: int) -> Request:
    """Read a request from a folder with clip.json and view-0.png, view-1.png, ...; without tracks.npz the model chooses the points to track.

    ``spec`` is that of the method which gets the request.

    Raises:
        FileNotFoundError: clip.json or an image is missing.
        ValueError: a file is damaged; names it.
    """
    if not (folder / "clip.json").is_file():
        raise FileNotFoundError(
            f"{folder / 'clip.json'}: no such file. Expected schema, fps, frames, size, prompt, and views with id, cluster, K, R, t, size"
        )
    clip = read_clip(folder)
    views = tuple(replace(view, image=_image(folder / f"view-{i}.png")) for i, view in enumerate(clip.views))
    return build_request(replace(clip, id=folder.resolve().name, views=views), spec, seed)


def _image(path: Path) -> Array:
    """Read an image file as (H, W, 3) uint8, in RGB."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file. Expected one reference image per view of clip.json") from error
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error})") from error
