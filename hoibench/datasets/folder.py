"""A clip of one's own: a folder with clip.json, tracks.npz and view-*.mp4."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import PARTS, Array, Camera, Clip, Tracks, View, check_mask
from hoibench.store import read_json, read_npz, write_json, write_npz
from hoibench.video import decode, encode, probe

SCHEMA = "hoibench/clip@1"


def clip_folders(root: Path) -> list[Path]:
    """The clip folders below ``root``, sorted.

    Raises:
        FileNotFoundError: there is no such folder, or no clip in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    folders = sorted(path.parent for path in root.glob("*/clip.json"))
    if not folders:
        raise FileNotFoundError(f"{root}: no clips here; each is a folder with clip.json, tracks.npz and view-*.mp4")
    return folders


def write_clip(folder: Path, clip: Clip) -> None:
    """Store a clip's truth in the form that ``read_clip`` reads."""
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "fps": clip.fps,
        "frames": clip.frames,
        "size": list(clip.size),
        "prompt": clip.prompt,
        "triplet": None if clip.triplet is None else list(clip.triplet),
        "truth": clip.truth,
        "valid_frames": clip.valid_frames,
        "views": [_view_facts(view) for view in clip.views],
    }
    if clip.tracks is not None:
        tracks = clip.tracks
        optional = {"recorded": tracks.recorded, "masks": clip.masks}
        arrays = {"world": tracks.world, "visible": tracks.visible, "part": tracks.part}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        write_npz(folder / "tracks.npz", arrays)
    if clip.video is not None:
        for index, frames in enumerate(clip.video):
            encode(folder / f"view-{index}.mp4", frames, clip.fps)
    write_json(folder / "clip.json", facts)


def _view_facts(view: View) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": view.id, "cluster": view.cluster}
    if view.camera is not None:
        camera = view.camera
        facts |= {"K": camera.K.tolist(), "R": camera.R.tolist(), "t": camera.t.tolist(), "size": list(camera.size)}
    return facts


def read_clip(folder: Path) -> Clip:
    """A clip from its folder; tracks.npz and the videos may each be absent.

    Raises:
        FileNotFoundError: clip.json or a view's video is missing.
        ValueError: a file is broken or its arrays do not fit; names file, value and what was expected.
    """
    path = folder / "clip.json"
    facts = read_json(path, SCHEMA)
    try:
        views = tuple(_read_view(view) for view in facts["views"])
        fps, (height, width) = float(facts["fps"]), map(int, facts["size"])
        frames, valid_frames = int(facts["frames"]), facts.get("valid_frames")
        if not isinstance(prompt := facts.get("prompt"), str | None):
            raise ValueError(f"prompt is {prompt!r}, expected a text")
        if not 0 < fps < math.inf:
            raise ValueError(f"fps is {fps}, expected a number above 0")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a clip ({type(error).__name__}: {error})") from error
    arrays = read_npz(folder / "tracks.npz") if (folder / "tracks.npz").is_file() else {}
    masks = arrays.pop("masks", None)
    try:
        tracks = Tracks(**arrays) if arrays else None
        if masks is not None:
            check_mask("masks", masks, (len(views), frames, height, width))
        if tracks is not None and not np.isin(tracks.part, range(len(PARTS))).all():
            raise ValueError(f"part holds {tracks.part.max()}, expected 0..{len(PARTS) - 1}: {', '.join(PARTS)}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'tracks.npz'}: {error}") from error
    triplet = facts.get("triplet")
    return Clip(
        id=folder.name, triplet=tuple(triplet) if triplet else None, prompt=prompt, views=views,
        source_views=(), fps=fps, frames=frames, size=(height, width), truth=facts.get("truth"),
        tracks=tracks, load_video=_video(folder, len(views), (frames, height, width)),
        load_masks=None if masks is None else lambda: masks, valid_frames=valid_frames,
    )  # fmt: skip


def _read_view(facts: dict[str, Any]) -> View:
    camera = None
    if "K" in facts:
        K, R, t = (np.asarray(facts[key], dtype=np.float64) for key in ("K", "R", "t"))
        camera = Camera(K, R, t, (int(facts["size"][0]), int(facts["size"][1])))
    return View(str(facts["id"]), facts.get("cluster"), camera)


def _video(folder: Path, views: int, shape: tuple[int, int, int]) -> Callable[[], Array] | None:
    paths = [folder / f"view-{index}.mp4" for index in range(views)]
    there = [path for path in paths if path.is_file()]
    if not there:
        return None
    if there != paths:
        missing = next(path for path in paths if path not in there)
        raise FileNotFoundError(f"{missing} is missing, while {there[0].name} is there")
    for path in paths:
        info = probe(path)
        if (info.frames, info.height, info.width) != shape:
            raise ValueError(f"{path} has {info.frames} frames of {info.height}x{info.width}, clip.json says {shape}")
    return lambda: np.stack([decode(path) for path in paths])
