"""Preparation of one sequence: from a recording to views on the protocol's grid, in folders that are whole or absent, so that it resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface, map_frames
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.hand.hand_models import truth_kind
from hoibench.datasets.taco.masks import MaskRenderer
from hoibench.datasets.taco.prepare.format import (
    TRACKS,
    VIDEO,
    VIEW,
    CameraRecord,
    PreparationSettings,
    SequenceRecord,
    VideoRecord,
    ViewRecord,
    hold_to_settings,
    stamp_files,
    tracks_folder,
    view_folder,
)
from hoibench.datasets.taco.prepare.staleness import check_video, check_views, read_video_record
from hoibench.datasets.taco.protocol import (
    FPS,
    MODALITIES,
    POINTS,
    SIZE,
    SOURCE_FPS,
    CropRule,
    Recipe,
    Window,
    window,
)
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import choose_points, recorded_mask, track_points
from hoibench.datasets.taco.visibility import PointVisibility, check_parts_in_view
from hoibench.store import read_npz, write_npz
from hoibench.store.verified_folder import CorruptFolder, read_metadata, write_folder
from hoibench.video import decode_crop, encode

CRF = 12


def prepare_views(recording: Recording, out: Path, serials: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Make what ``out`` lacks of a sequence's tracks and of these cameras' views of it; the serials of the views that were made.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file is broken, files disagree, a camera sees nothing of the truth, or ``out`` was prepared from something else.
        WriteError: ``out`` cannot be written.
    """
    return Preparation(recording, out, recipe).prepare_views(serials)


@dataclass(frozen=True, eq=False)
class SampledFrames:
    """The source frames of a clip, each once.

    Attributes:
        span: which source frame each of the clip's frames is.
        surfaces: hands and objects in the source frames.
        row: (N,), for each of the clip's frames which of the surfaces' it is.
    """

    span: Window
    surfaces: tuple[Surface, ...]
    row: Array

    @classmethod
    def sample(cls, recording: Recording, span: Window) -> SampledFrames:
        """The source frames of a recording; errors as ``Recording.surfaces_in``."""
        sources, row = np.unique(span.indices, return_inverse=True)
        return cls(span, recording.surfaces_in(sources.tolist()), row)

    def expand(self, values: Array) -> Array:
        """Values (N, ...) in the clip's frames of values in each source frame once."""
        expanded: Array = values[self.row]
        return expanded

    def unique(self, expanded: Array) -> Array:
        """The inverse of ``expand``."""
        values: Array = expanded[np.unique(self.row, return_index=True)[1]]
        return values

    def rows_for_crop(self, rule: CropRule) -> list[int]:
        """The rows of the frames that a crop rule looks at."""
        return sorted(set(self.row[: self.span.valid if rule == "clip" else 1].tolist()))


@dataclass(frozen=True, eq=False)
class ViewTruth:
    """The truth as a view sees it: points ``visible`` (N, K) bool and the foreground ``mask`` (N, H, W) bool."""

    visible: Array
    mask: Array


def render_truth(
    surfaces: Sequence[Surface], world: Array, recorded: Array, cameras: Sequence[Camera]
) -> tuple[ViewTruth, ...]:
    """The truth as each static camera sees it in each frame: the parts of a frame are placed once for all of them.

    Args:
        surfaces: hands and objects over N frames.
        world: (N, K, 3) points on them, metres.
        recorded: (N, K) bool.
        cameras: V cameras.
    """
    points = [PointVisibility(world, camera) for camera in cameras]
    silhouettes = [MaskRenderer(camera) for camera in cameras]
    seen = map_frames(surfaces, [*points, *silhouettes])
    visible, masks = seen[: len(cameras)], seen[len(cameras) :]
    return tuple(ViewTruth(v & recorded, mask) for v, mask in zip(visible, masks, strict=True))


@dataclass(frozen=True, eq=False)
class Preparation:
    """The views of a recording that one recipe makes, in the folder ``out``; each file of the recording is read once."""

    recording: Recording
    out: Path
    recipe: Recipe

    def prepare_views(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Make what is missing; see the function ``prepare_views``."""
        intact = {serial: record for serial in serials if (record := self._intact_view(serial)) is not None}
        missing = tuple(serial for serial in serials if serial not in intact)
        videos = {serial: read_video_record(self.recording, serial, self._modality) for serial in missing}
        self._hold_to_settings(videos | {serial: record.video for serial, record in intact.items()})
        for serial, record in intact.items():
            check_video(self.recording, self._folder(serial), record, self._modality)
        self._ensure_tracks()
        if missing:
            self._make_views(videos)
        return missing

    @property
    def _key(self) -> str:
        return self.recording.sequence.key

    @property
    def _modality(self) -> str:
        return MODALITIES[self.recipe.video]

    @cached_property
    def _truth(self) -> str:
        return truth_kind(self.recording.tree.hand_model, self.recording.hand_model)

    def _folder(self, serial: str) -> Path:
        return view_folder(self.out, self._key, self.recipe, serial)

    def _intact_view(self, serial: str) -> ViewRecord | None:
        try:
            return read_metadata(self._folder(serial), ViewRecord, check="contents")
        except (FileNotFoundError, CorruptFolder):
            return None

    def _hold_to_settings(self, videos: Mapping[str, VideoRecord]) -> None:
        settings = PreparationSettings(
            truth=self._truth,
            hand_model=self.recording.hand_model.identity,
            native_size=_check_same_size(self._key, videos),
        )
        hold_to_settings(self.out, settings)

    @cached_property
    def _frames(self) -> SampledFrames:
        return SampledFrames.sample(self.recording, window(self.recording.frames, SOURCE_FPS))

    @cached_property
    def _record(self) -> SequenceRecord:
        """The record of the tracks that are made from the recording as it is now."""
        span = window(self.recording.frames, SOURCE_FPS)
        return SequenceRecord(
            key=self._key,
            truth=self._truth,
            hand_model=self.recording.hand_model.identity,
            triplet=self.recording.sequence.triplet,
            instances=self.recording.instances,
            frames=self.recording.frames,
            valid_frames=span.valid,
            indices=span.indices,
            sources=self.recording.digests,
            stamps=stamp_files(self.recording.tree.root, self.recording.annotation_files),
        )

    def _ensure_tracks(self) -> None:
        """Make the tracks of the sequence unless they are there; those that are there, and all views, must be of these annotations."""
        folder = tracks_folder(self.out, self._key)
        try:
            there = read_metadata(folder, SequenceRecord, check="contents")
        except (FileNotFoundError, CorruptFolder):
            check_views(self.recording, self.out, self._record)
            self._make_tracks(folder)
            return
        stamps = stamp_files(self.recording.tree.root, self.recording.annotation_files)
        if there.stamps != stamps and there.annotations != self._record.annotations:
            raise ValueError(
                f"{folder} was made from other annotations than {self.recording.tree.root} now has: delete {folder.parent}, "
                "or prepare into another folder"
            )
        check_views(self.recording, self.out, there)

    def _make_tracks(self, folder: Path) -> None:
        points = choose_points(self._frames.surfaces, POINTS)
        world, part = track_points(points, self._frames.surfaces)
        recorded = recorded_mask(points, self._frames.surfaces)
        arrays = {"world": self._frames.expand(world), "part": part, "recorded": self._frames.expand(recorded)}
        write_folder(folder, self._record, lambda new: write_npz(new / TRACKS, arrays))

    def _make_views(self, videos: Mapping[str, VideoRecord]) -> None:
        cameras = (calibration.camera(calibration.size) for calibration in self.recording.calibrations.values())
        check_parts_in_view(self._key, self._frames.surfaces, cameras)
        views = [self._view_record(serial, video) for serial, video in videos.items()]
        tracks = read_npz(tracks_folder(self.out, self._key) / TRACKS)
        points = self._frames.unique(tracks["world"]), self._frames.unique(tracks["recorded"])
        truths = render_truth(self._frames.surfaces, *points, [view.camera.camera() for view in views])
        for view, truth in zip(views, truths, strict=True):
            self._make_view(view, truth)

    def _view_record(self, serial: str, video: VideoRecord) -> ViewRecord:
        recording, frames, rule = self.recording, self._frames, self.recipe.crop
        camera = recording.camera(serial, video.size)
        extents = (
            Extent.of(np.concatenate([surface.vertices[row] for surface in frames.surfaces]), camera)
            for row in frames.rows_for_crop(rule)
        )
        box = crop_box(extents, rule, video.size, f"{serial} of sequence {self._key}")
        files = [recording.sequence.calibration, recording.sequence.video(serial, self._modality)]
        return ViewRecord(
            serial=serial,
            recipe=self.recipe.name,
            camera=CameraRecord.of(crop_camera(camera, box)),
            box=box,
            calibration=CameraRecord.of(recording.calibrations[serial]),
            video=video,
            annotations=self._record.annotations,
            stamps=stamp_files(recording.tree.root, files),
        )

    def _make_view(self, view: ViewRecord, truth: ViewTruth) -> None:
        # Read before anything is written, so that an error here is the download's, and one there the disk's.
        path = self.recording.sequence.video(view.serial, self._modality)
        video = decode_crop(path, self._frames.span.indices, view.box, SIZE)
        seen: dict[str, Array] = {"visible": truth.visible, "mask": truth.mask}
        packed = {name: np.packbits(self._frames.expand(values), axis=-1) for name, values in seen.items()}

        def fill(new: Path) -> None:
            encode(new / VIDEO, video, FPS, crf=CRF)
            write_npz(new / VIEW, packed)

        write_folder(self._folder(view.serial), view, fill)


def _check_same_size(key: str, videos: Mapping[str, VideoRecord]) -> tuple[int, int]:
    """The (H, W) that all videos of a sequence, by their serials, have; raise ValueError if they differ, with each."""
    sizes = {video.size for video in videos.values()}
    if len(sizes) != 1:
        found = ", ".join(f"{serial} {video.size[1]}x{video.size[0]}" for serial, video in videos.items())
        raise ValueError(
            f"the videos of sequence {key} differ in size ({found}): unpack them again, of one copy of the data"
        )
    return sizes.pop()
