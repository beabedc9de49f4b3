"""Preparation: from a recording to clips on the protocol's grid, in pieces that are whole or absent, so that it goes on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hoibench.clip import PARTS, Array
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.fingerprint import values_digest
from hoibench.datasets.taco.hand_models import truth_label
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
from hoibench.datasets.taco.protocol import FPS, MODALITIES, POINTS, SIZE, CropRule, Recipe, Window, window
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.sealed import is_sealed, seal
from hoibench.datasets.taco.sight import look
from hoibench.datasets.taco.tracks import choose_points, follow, recorded_points
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
    shot = _Shot.take(recording, span)
    _ensure_tracks(recording, out, shot)
    if missing:
        _make_views(recording, out, recipe, shot, {serial: infos[serial] for serial in missing})
    return tuple(missing)


@dataclass(frozen=True, eq=False)
class _Shot:
    """The source frames of a clip, each once: ``surfaces`` in them, and for each of the clip's frames the ``row`` (N,) that it is."""

    span: Window
    surfaces: tuple[Surface, ...]
    row: Array

    @classmethod
    def take(cls, recording: Recording, span: Window) -> _Shot:
        sources, row = np.unique(span.indices, return_inverse=True)
        return cls(span, recording.surfaces_in(sources.tolist()), row)

    def spread(self, once: Array) -> Array:
        """Values (N, ...) in the clip's frames of values in each source frame once."""
        spread: Array = once[self.row]
        return spread

    def once(self, spread: Array) -> Array:
        """The inverse of ``spread``."""
        once: Array = spread[np.unique(self.row, return_index=True)[1]]
        return once

    def rows_of(self, rule: CropRule) -> list[int]:
        """The rows of the frames that a crop rule looks at."""
        return sorted(set(self.row[: self.span.valid if rule == "clip" else 1].tolist()))


def _make_views(recording: Recording, out: Path, recipe: Recipe, shot: _Shot, infos: dict[str, VideoInfo]) -> None:
    key = recording.sequence.key
    views = [_crop_view(recording, serial, info, recipe.crop, shot) for serial, info in infos.items()]
    world, _, recorded = read_points(out, key)
    cameras = [view.camera for view in views]
    sights = look(shot.surfaces, shot.once(world), shot.once(recorded), cameras)
    for serial, view, sight in zip(infos, views, sights, strict=True):
        path = recording.sequence.video(serial, MODALITIES[recipe.video])
        # Read before anything is written, so that an error here is the download's, and one there the disk's.
        video = extract(path, shot.span.indices, view.box, SIZE)
        packed = {
            "visible": np.packbits(shot.spread(sight.visible), axis=-1),
            "mask": np.packbits(shot.spread(sight.mask), axis=-1),
        }
        _write_view(view_folder(out, key, recipe, serial), view, video, packed)


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


def _ensure_tracks(recording: Recording, out: Path, shot: _Shot) -> None:
    """Make the tracks of a sequence unless they are there; those that are there must be of these annotations."""
    key, span = recording.sequence.key, shot.span
    folder = tracks_folder(out, key)
    facts = SequenceFacts(
        recording.sequence.triplet, recording.instances, recording.frames, span.valid, span.indices, _sources(recording)
    )
    if is_sealed(folder):
        if asdict(read_facts(out, key)) != asdict(facts):
            raise ValueError(
                f"{folder} was made from other annotations or frame rates than {recording.tree.root} now has: delete {folder.parent}"
            )
        return
    points = choose_points(shot.surfaces, POINTS)
    world, part = follow(points, shot.surfaces)
    recorded = recorded_points(points, shot.surfaces)
    arrays = {"world": shot.spread(world), "part": part, "recorded": shot.spread(recorded)}
    seal(folder, asdict(facts), lambda temporary: write_npz(temporary / TRACKS, arrays))


def _sources(recording: Recording) -> dict[str, str]:
    hands = [values_digest(hand.theta, hand.trans, hand.betas) for hand in recording.hands]
    objects = [
        values_digest(poses, vertices)
        for poses, (vertices, _) in zip(recording.object_poses, recording.meshes, strict=True)
    ]
    return dict(zip(PARTS, [*hands, *objects], strict=True))


def _crop_view(recording: Recording, serial: str, info: VideoInfo, rule: CropRule, shot: _Shot) -> ViewFacts:
    size = (info.height, info.width)
    camera = recording.camera(serial, size)
    extents = (
        Extent.of(np.concatenate([surface.vertices[row] for surface in shot.surfaces]), camera)
        for row in shot.rows_of(rule)
    )
    box = crop_box(extents, rule, size, f"{serial} of sequence {recording.sequence.key}")
    return ViewFacts(crop_camera(camera, box), box, size)


def _write_view(folder: Path, view: ViewFacts, video: Array, packed: dict[str, Array]) -> None:
    def fill(temporary: Path) -> None:
        encode(temporary / VIDEO, video, FPS, crf=CRF)
        write_npz(temporary / VIEW, packed)

    seal(folder, view.to_json(), fill)
