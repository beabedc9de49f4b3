"""A folder of prepared clips: what is where in it, and a clip read from it without the download.

OUT/prepared.json says what all of it was made with.  OUT/KEY/tracks holds the true tracks of a sequence, OUT/KEY/CROP-VIDEO/SERIAL what one
camera shows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import CLUSTERS, Array, Camera, Clip, Tracks, View
from hoibench.datasets.taco.prompts import prompt
from hoibench.datasets.taco.protocol import FPS, FRAMES, POINTS, SIZE, Recipe
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.sealed import SCHEMA, is_sealed, read_sealed, writing
from hoibench.store import read_json, read_npz, write_json
from hoibench.video import Box, decode

VIDEO = "video.mp4"
VIEW = "view.npz"
TRACKS = "tracks.npz"
_ORIGIN = "prepared.json"


@dataclass(frozen=True)
class Origin:
    """What all clips of a prepared folder were made with.

    Attributes:
        truth: ``taco``, ``proxy-hand`` or ``synthetic``.
        hand_model: ``mano`` or ``hoibench-proxy``.
        native_size: (H, W) of the download's videos.
    """

    truth: str
    hand_model: str
    native_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class SequenceFacts:
    """What a prepared folder says of a sequence.

    Attributes:
        triplet: (tool, action, target).
        instances: ids of the (tool, target) objects.
        frames: N of the recording.
        valid_frames: frames of the clip that the recording reaches; the others repeat its last frame.
        indices: the source frame of each frame of the clip.
        sources: SHA-256 of the annotations' values, by their names.
    """

    triplet: tuple[str, str, str]
    instances: tuple[str, str]
    frames: int
    valid_frames: int
    indices: tuple[int, ...]
    sources: dict[str, str]


@dataclass(frozen=True, eq=False)
class ViewFacts:
    """What a prepared folder says of one view: its camera at the protocol's size, and the box of the native image that it shows."""

    camera: Camera
    box: Box
    native_size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As the view's folder keeps it."""
        camera = {name: getattr(self.camera, name).tolist() for name in ("K", "R", "t")}
        sizes = {"size": list(self.camera.size), "box": list(self.box), "native_size": list(self.native_size)}
        return camera | sizes


def tracks_folder(out: Path, key: str) -> Path:
    """Where the tracks of a sequence are."""
    return out / key / "tracks"


def view_folder(out: Path, key: str, recipe: Recipe, serial: str) -> Path:
    """Where one view of a sequence is."""
    return out / key / recipe.name / serial


def is_origin(out: Path) -> bool:
    """Whether a folder is one of prepared clips."""
    return (out / _ORIGIN).is_file()


def read_origin(out: Path) -> Origin:
    """What a folder of prepared clips was made with.

    Raises:
        FileNotFoundError: it is no such folder.
        ValueError: its record is of another version, or damaged.
    """
    path = out / _ORIGIN
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {out} is no folder that hoibench data prepare wrote")
    table = read_json(path, SCHEMA)
    try:
        height, width = table["native_size"]
        return Origin(str(table["truth"]), str(table["hand_model"]), (int(height), int(width)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not say how its clips were made ({error!r}): prepare into a new folder"
        ) from error


def claim(out: Path, origin: Origin) -> None:
    """Write down what a folder of prepared clips is made with, if it is new.

    Raises:
        ValueError: the clips that are there were made with something else.
        Unwritable: the folder cannot be written.
    """
    if not is_origin(out):
        with writing():
            write_json(out / _ORIGIN, {"schema": SCHEMA, **asdict(origin)})
    there = read_origin(out)
    if there != origin:
        names = [name for name, value in asdict(origin).items() if asdict(there)[name] != value]
        said = ", ".join(f"{name} {asdict(there)[name]}, now {asdict(origin)[name]}" for name in names)
        raise ValueError(f"{out} was prepared otherwise ({said}): prepare into another folder")


def read_facts(out: Path, key: str) -> SequenceFacts:
    """What is known of a prepared sequence.

    Raises:
        FileNotFoundError: it was not prepared.
        ValueError: its folder is damaged; names the file.
    """
    table = read_sealed(tracks_folder(out, key))
    table["triplet"], table["instances"], table["indices"] = (
        tuple(table[name]) for name in ("triplet", "instances", "indices")
    )
    return SequenceFacts(**{name: table[name] for name in SequenceFacts.__dataclass_fields__})


def read_points(out: Path, key: str) -> tuple[Array, Array, Array]:
    """World positions (N, K, 3), parts (K,) and which were recorded (N, K) of a sequence's tracks; errors as ``read_facts``."""
    arrays = read_npz(tracks_folder(out, key) / TRACKS)
    return arrays["world"], arrays["part"], arrays["recorded"]


def is_prepared(out: Path, key: str, recipe: Recipe, serials: Sequence[str]) -> bool:
    """Whether a sequence's tracks and these views of it are there and whole."""
    folders = [tracks_folder(out, key), *(view_folder(out, key, recipe, serial) for serial in serials)]
    return all(is_sealed(folder) for folder in folders)


def read_prepared(
    out: Path, key: str, recipe: Recipe, serials: Sequence[str], source: str | None = None, tags: tuple[str, ...] = ()
) -> Clip:
    """A prepared clip, its videos and masks decoded when first used.

    Args:
        out: the folder of prepared clips.
        key: YYYYMMDD_NNN.
        recipe: how the clip was made.
        serials: the cameras scored; their order is left, center, right whatever the order given.
        source: a camera outside them that video-to-video methods may see.
        tags: why the clip is in its split.

    Raises:
        FileNotFoundError: the clip or a view of it was not prepared; names the folder.
        ValueError: a file is damaged; names it.
    """
    facts = read_facts(out, key)
    ordered = sorted(serials, key=lambda serial: CLUSTERS.index(rig().cluster(serial)))
    folders = [view_folder(out, key, recipe, serial) for serial in ordered]
    source_folders = [] if source is None else [view_folder(out, key, recipe, source)]
    views = tuple(_read_view(folder) for folder in folders)
    source_views = tuple(_read_view(folder) for folder in source_folders)
    world, part, recorded = read_points(out, key)
    visible = np.stack([_unpack(folder, "visible", POINTS) for folder in folders])
    return Clip(
        id=key,
        triplet=facts.triplet,
        prompt=prompt(facts.triplet),
        views=views,
        source_views=source_views,
        fps=FPS,
        frames=FRAMES,
        size=SIZE,
        instances=facts.instances,
        tags=tags,
        truth=read_origin(out).truth,
        tracks=Tracks(world, visible, part, None if recorded.all() else recorded),
        load_video=lambda: np.stack([decode(folder / VIDEO) for folder in folders]),
        load_sources=lambda: tuple(decode(folder / VIDEO) for folder in source_folders),
        load_masks=lambda: np.stack([_unpack(folder, "mask", SIZE[1]) for folder in folders]),
        valid_frames=None if facts.valid_frames == FRAMES else facts.valid_frames,
    )


def read_view_facts(folder: Path) -> ViewFacts:
    """What is known of a prepared view.

    Raises:
        FileNotFoundError: it was not prepared.
        ValueError: its folder is damaged; names the file.
    """
    table = read_sealed(folder)
    K, R, t = (np.asarray(table[name], dtype=np.float64) for name in ("K", "R", "t"))
    height, width = table["size"]
    top, left, box_height, box_width = table["box"]
    native_height, native_width = table["native_size"]
    camera = Camera(K, R, t, (height, width))
    return ViewFacts(camera, (top, left, box_height, box_width), (native_height, native_width))


def _read_view(folder: Path) -> View:
    facts = read_view_facts(folder)
    serial = folder.name
    return View(serial, rig().cluster(serial), facts.camera, decode(folder / VIDEO, [0])[0])


def _unpack(folder: Path, name: str, length: int) -> Array:
    """A bool array whose last axis, of ``length``, is packed eight to a byte."""
    return np.unpackbits(read_npz(folder / VIEW)[name], axis=-1, count=length).astype(bool)
