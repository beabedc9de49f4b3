"""Read and write a clip as a folder with clip.json, tracks.npz, objects.npz and view-*.mp4: the format of ``hoibench score --truth``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, PlainSerializer, PositiveFloat, PositiveInt, model_validator

from hoibench.clip import PARTS, Array, Camera, Clip, Cluster, Tracks, View, check_mask
from hoibench.object_file import read_objects, write_objects
from hoibench.store import read_npz, remove_temporary_files, write_npz
from hoibench.store.records import Record
from hoibench.video import decode, encode, probe

CLIP_FILE = "clip.json"
_TRACKS_FILE = "tracks.npz"
_OBJECTS_FILE = "objects.npz"


def _to_array(value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"rows differ in length ({error})") from error
    if array.dtype.kind not in "if":
        raise ValueError(f"{str(value)[:80]} is not numeric")
    return array.astype(np.float64)


Size = tuple[PositiveInt, PositiveInt]
Numbers = Annotated[Any, AfterValidator(_to_array), PlainSerializer(lambda array: array.tolist())]


class ClipViewRecord(Record):
    """A view in clip.json; ``K``, ``R``, ``t`` and ``size`` are those of its ``Camera``, and are given together or not at all."""

    id: str
    cluster: Cluster | None = None
    K: Numbers | None = None
    R: Numbers | None = None
    t: Numbers | None = None
    size: Size | None = None

    @model_validator(mode="after")
    def _check_camera(self) -> Self:
        known = [name for name in ("K", "R", "t", "size") if getattr(self, name) is not None]
        if known and len(known) < 4:
            raise ValueError(f"a camera needs K, R, t and size, found only {', '.join(known)}: give all or none")
        self.camera()  # raises ValueError if it is invalid
        return self

    def camera(self) -> Camera | None:
        """Return the view's camera, or None if clip.json does not describe one."""
        if self.K is None or self.R is None or self.t is None or self.size is None:
            return None
        return Camera(self.K, self.R, self.t, self.size)


class ClipRecord(Record):
    """The content of clip.json; the fields mean the same as in ``hoibench.clip.Clip``."""

    SCHEMA = "hoibench/clip@1"

    fps: PositiveFloat
    frames: PositiveInt
    size: Size
    prompt: str | None = None
    triplet: tuple[str, str, str] | None = None
    truth: str | None = None
    valid_frames: PositiveInt | None = None
    views: tuple[ClipViewRecord, ...]


def clip_folder(run: Path, clip: str) -> Path:
    """Return the folder of a clip, by its id, in the run folder ``run``: clip.json, tracks.npz and objects.npz of the scored frames."""
    return run / "clips" / clip


def clip_folders(root: Path) -> list[Path]:
    """Return the folders in ``root`` that contain a clip.json, sorted.

    Raises:
        FileNotFoundError: ``root`` does not exist or has no clip.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    folders = sorted(path.parent for path in root.glob(f"*/{CLIP_FILE}"))
    if not folders:
        raise FileNotFoundError(f"{root}: no clips found; expected folders with clip.json, tracks.npz and view-*.mp4")
    return folders


def write_clip(folder: Path, clip: Clip) -> None:
    """Write a clip's views, tracks, masks, objects and H.264 video for ``read_clip``.

    Reference images, source views, instances and tags are not stored.
    Files of an interrupted call are replaced; clip.json is written last.

    Raises:
        OSError: the disk is full or the folder cannot be written.

    >>> import tempfile
    >>> video = np.zeros((1, 8, 64, 96, 3), np.uint8)
    >>> clip = Clip("c", None, "stir", (View("left"),), (), fps=8.0, frames=8, size=(64, 96), load_video=lambda: video)
    >>> folder = Path(tempfile.mkdtemp()) / "c"
    >>> write_clip(folder, clip)
    >>> read_clip(folder).video.shape
    (1, 8, 64, 96, 3)
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(folder)
    for name in (CLIP_FILE, _TRACKS_FILE, _OBJECTS_FILE):
        (folder / name).unlink(missing_ok=True)
    record = ClipRecord(
        fps=float(clip.fps),
        frames=int(clip.frames),
        size=_to_size(clip.size),
        prompt=clip.prompt,
        triplet=clip.triplet,
        truth=clip.truth,
        valid_frames=clip.valid_frames,
        views=tuple(_view_record(view) for view in clip.views),
    )
    named = {"masks": clip.masks}
    if clip.tracks is not None:
        tracks = clip.tracks
        named |= vars(tracks)
    if arrays := {name: array for name, array in named.items() if array is not None}:
        write_npz(folder / _TRACKS_FILE, arrays)
    if clip.objects is not None:
        write_objects(folder / _OBJECTS_FILE, clip.objects)
    if clip.video is not None:
        for index, frames in enumerate(clip.video):
            encode(folder / f"view-{index}.mp4", frames, clip.fps)
    record.write(folder / CLIP_FILE)


def _view_record(view: View) -> ClipViewRecord:
    camera = view.camera
    if camera is None:
        return ClipViewRecord(id=view.id, cluster=view.cluster)
    return ClipViewRecord(
        id=view.id, cluster=view.cluster, K=camera.K, R=camera.R, t=camera.t, size=_to_size(camera.size)
    )


def _to_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size, which may have NumPy's integers, as plain ones, which JSON can have."""
    height, width = size
    return int(height), int(width)


def read_clip(folder: Path) -> Clip:
    """Read a clip from a folder with clip.json and optionally tracks.npz, objects.npz and one video per view, the last two on first use.

    Raises:
        FileNotFoundError: clip.json is missing, or some views have a video and others do not.
        ValueError: a file is damaged or has an unexpected value; names file, value and expectation.
    """
    record = ClipRecord.read(folder / CLIP_FILE)
    views = tuple(View(view.id, view.cluster, view.camera()) for view in record.views)
    shape = (record.frames, *record.size)
    arrays = read_npz(folder / _TRACKS_FILE) if (folder / _TRACKS_FILE).is_file() else {}
    objects = folder / _OBJECTS_FILE
    masks = arrays.pop("masks", None)
    try:
        tracks = Tracks(**arrays) if arrays else None
        if masks is not None:
            check_mask("masks", masks, (len(views), *shape))
        if tracks is not None and not np.isin(tracks.part, range(len(PARTS))).all():
            raise ValueError(f"part is {tracks.part.max()}, expected 0..{len(PARTS) - 1}: {', '.join(PARTS)}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'tracks.npz'}: {error}") from error
    return Clip(
        id=folder.name, triplet=record.triplet, prompt=record.prompt, views=views,
        source_views=(), fps=record.fps, frames=record.frames, size=record.size, truth=record.truth,
        tracks=tracks, load_video=_video_loader(folder, len(views), shape),
        load_masks=None if masks is None else lambda: masks, load_objects=(lambda: read_objects(objects)) if objects.is_file() else None,
        valid_frames=record.valid_frames,
    )  # fmt: skip


def _video_loader(folder: Path, views: int, shape: tuple[int, int, int]) -> Callable[[], Array] | None:
    paths = [folder / f"view-{index}.mp4" for index in range(views)]
    found = [path for path in paths if path.is_file()]
    if not found:
        return None
    if found != paths:
        missing = next(path for path in paths if path not in found)
        raise FileNotFoundError(
            f"{missing} is missing, but {found[0].name} exists: give a video for every view or for none"
        )
    for path in paths:
        info = probe(path)
        if (info.frames, info.height, info.width) != shape:
            raise ValueError(
                f"{path} has {info.frames} frames of {info.height}x{info.width}, expected {shape} from clip.json"
            )
    return lambda: np.stack([decode(path) for path in paths])
