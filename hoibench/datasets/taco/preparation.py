"""Preparation: from a recording to clips on the protocol's grid, in pieces that are whole or absent, so that it goes on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.surfaces import Surface, place_parts
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.fingerprint import values_digest
from hoibench.datasets.taco.hand_models import truth_label
from hoibench.datasets.taco.masks import Silhouette
from hoibench.datasets.taco.prepared import (
    TRACKS,
    VIDEO,
    VIEW,
    Origin,
    SequenceFacts,
    ViewFacts,
    claim,
    read_facts,
    read_points,
    tracks_folder,
    view_folder,
)
from hoibench.datasets.taco.protocol import FPS, FRAMES, MODALITIES, POINTS, SIZE, Recipe, Window, window
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.sealed import is_sealed, seal
from hoibench.datasets.taco.tracks import choose_points, follow, recorded_points, seen_points
from hoibench.store import write_npz
from hoibench.video import VideoInfo, encode, extract

CRF = 12
_RATE_TOLERANCE = 0.01  # what a container's time base makes of a rate


def prepare_sequence(recording: Recording, out: Path, serials: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Make what ``out`` lacks of a sequence's tracks and of these cameras' views of it; the serials of the views that were made.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file is broken, files disagree, a camera sees nothing of the truth, or ``out`` was prepared from something else.
        Unwritable: ``out`` cannot be written.
    """
    key = recording.sequence.key
    missing = [serial for serial in serials if not is_sealed(view_folder(out, key, recipe, serial))]
    if not missing and is_sealed(tracks_folder(out, key)):
        return ()
    infos = {serial: recording.video_info(serial, MODALITIES[recipe.video]) for serial in (missing or serials)}
    span = window(recording.frames, _common_rate(key, infos))
    claim(out, _origin(recording, infos))
    surfaces = recording.surfaces_in(span.recorded)
    world, recorded = _tracks(recording, out, span, surfaces)
    if not missing:
        return ()
    views = [_frame_view(recording, serial, infos[serial], recipe, surfaces) for serial in missing]
    sights = look(surfaces, world[: span.valid], recorded[: span.valid], [view.camera for view in views])
    for serial, view, sight in zip(missing, views, sights, strict=True):
        path = recording.sequence.video(serial, MODALITIES[recipe.video])
        # Read before anything is written, so that an error here is the download's, and one there the disk's.
        _write_view(view_folder(out, key, recipe, serial), view, sight, extract(path, span.indices, view.box, SIZE))
    return tuple(missing)


@dataclass(frozen=True, eq=False)
class Sight:
    """What a view sees of the truth: points ``visible`` (N, K) bool and the foreground ``mask`` (N, H, W) bool."""

    visible: Array
    mask: Array


def look(surfaces: Sequence[Surface], world: Array, recorded: Array, cameras: Sequence[Camera]) -> tuple[Sight, ...]:
    """What each static camera sees in each frame: the parts of a frame are placed once for all of them.

    Args:
        surfaces: hands and objects over N frames.
        world: (N, K, 3) points on them, metres.
        recorded: (N, K) bool.
        cameras: V cameras.
    """
    silhouettes = [Silhouette(camera) for camera in cameras]
    visible = np.zeros((len(cameras), *recorded.shape), dtype=bool)
    masks = [np.zeros((len(world), *camera.size), dtype=bool) for camera in cameras]
    for frame, points in enumerate(world.astype(np.float64)):
        parts = place_parts(surfaces, frame)
        for view, camera in enumerate(cameras):
            visible[view, frame] = seen_points(parts, points, camera) & recorded[frame]
            masks[view][frame] = silhouettes[view].mask(parts)
    return tuple(Sight(seen, mask) for seen, mask in zip(visible, masks, strict=True))


def _common_rate(key: str, infos: dict[str, VideoInfo]) -> float:
    """The frame rate of the cameras, which are triggered together: a whole number where the files' rates are within 1 % of it."""
    rates = {serial: _nominal(info.fps) for serial, info in infos.items()}
    if len(set(rates.values())) != 1:
        found = ", ".join(f"{serial} {rate:g}" for serial, rate in rates.items())
        raise ValueError(
            f"the videos of sequence {key} differ in frame rate ({found} fps): unpack them again, of one copy of the data"
        )
    return next(iter(rates.values()))


def _nominal(fps: float) -> float:
    return float(round(fps)) if abs(round(fps) - fps) <= _RATE_TOLERANCE * fps else fps


def _origin(recording: Recording, infos: dict[str, VideoInfo]) -> Origin:
    info = next(iter(infos.values()))
    model = recording.hand_model
    return Origin(truth_label(recording.tree.hand_model, model), model.name, (info.height, info.width))


def _tracks(recording: Recording, out: Path, span: Window, surfaces: Sequence[Surface]) -> tuple[Array, Array]:
    """The tracks' positions (N, K, 3) and which were recorded (N, K): those that are there, or new ones."""
    key = recording.sequence.key
    folder = tracks_folder(out, key)
    facts = SequenceFacts(
        recording.sequence.triplet, recording.instances, recording.frames, span.valid, span.indices, _sources(recording)
    )
    if is_sealed(folder):
        there = read_facts(out, key)
        if asdict(there) != asdict(facts):
            raise ValueError(
                f"{folder} was made from other annotations than {recording.tree.root} now has: delete {folder.parent}"
            )
    else:
        points = choose_points(surfaces, POINTS)
        world, part = follow(points, surfaces)
        recorded = recorded_points(points, surfaces)
        arrays = {"world": _padded(world), "part": part, "recorded": _padded(recorded)}
        seal(folder, asdict(facts), lambda temporary: write_npz(temporary / TRACKS, arrays))
    world, _, recorded = read_points(out, key)
    return world, recorded


def _sources(recording: Recording) -> dict[str, str]:
    hands = [values_digest(hand.theta, hand.trans, hand.betas) for hand in recording.hands]
    objects = [
        values_digest(poses, vertices)
        for poses, (vertices, _) in zip(recording.object_poses, recording.meshes, strict=True)
    ]
    return dict(zip(PARTS, [*hands, *objects], strict=True))


def _frame_view(
    recording: Recording, serial: str, info: VideoInfo, recipe: Recipe, surfaces: Sequence[Surface]
) -> ViewFacts:
    size = (info.height, info.width)
    camera = recording.camera(serial, size)
    frames = range(len(surfaces[0].vertices)) if recipe.crop == "clip" else range(1)
    extents = (Extent.of(np.concatenate([s.vertices[frame] for s in surfaces]), camera) for frame in frames)
    box = crop_box(extents, recipe.crop, size, f"{serial} of sequence {recording.sequence.key}")
    return ViewFacts(crop_camera(camera, box), box, size)


def _write_view(folder: Path, view: ViewFacts, sight: Sight, video: Array) -> None:
    def fill(temporary: Path) -> None:
        encode(temporary / VIDEO, video, FPS, crf=CRF)
        packed = {name: np.packbits(_padded(getattr(sight, name)), axis=-1) for name in ("visible", "mask")}
        write_npz(temporary / VIEW, packed)

    seal(folder, view.to_json(), fill)


def _padded(array: Array) -> Array:
    """An array of the recorded frames (n, ...) with its last frame repeated up to the clip's length."""
    rows = np.minimum(np.arange(FRAMES), len(array) - 1)
    padded: Array = array[rows]
    return padded
