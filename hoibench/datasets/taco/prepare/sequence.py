"""Preparation of one sequence: from a recording to cropped views at the protocol's size and rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.hand.hand_models import truth_kind
from hoibench.datasets.taco.prepare.format import (
    TRACKS,
    VIDEO,
    VIEW,
    CameraRecord,
    PreparationSettings,
    SequenceRecord,
    VideoRecord,
    ViewRecord,
    ensure_preparation_settings,
    read_file_stats,
    tracks_folder,
    view_folder,
)
from hoibench.datasets.taco.prepare.objects import ensure_objects
from hoibench.datasets.taco.prepare.staleness import check_video, check_views, read_video_record
from hoibench.datasets.taco.prepare.view_checks import ViewChecks
from hoibench.datasets.taco.prepare.view_truth import SampledFrames, ViewTruth, render_truth
from hoibench.datasets.taco.protocol import (
    FPS,
    MODALITIES,
    POINTS,
    SIZE,
    SOURCE_FPS,
    Recipe,
    choose_window,
)
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import choose_points, recorded_mask, track_points
from hoibench.store import read_npz, write_npz
from hoibench.store.verified_folder import CorruptFolder, read_metadata, write_folder
from hoibench.video import DEFAULT_DECODER, Decoder, decode_crop, encode

CRF = 12


@dataclass(frozen=True, eq=False)
class SequencePreparation:
    """The preparation of views (cropped videos, masks, visibility) of one recording; reads each annotation file once.

    Attributes:
        recording: the recorded sequence.
        out: the folder of prepared clips.
        recipe: crop rule and kind of video of the views.
        decoder: the decoder of the videos.
        warnings: what the checks of the new views found so far that is no reason to refuse them.
    """

    recording: Recording
    out: Path
    recipe: Recipe
    decoder: Decoder = DEFAULT_DECODER
    warnings: list[str] = field(default_factory=list)

    def prepare_views(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Write the missing tracks, meshes and poses and the missing views by these cameras, and return the serials of the new views.

        Existing ones are checked against the download.

        Raises:
            FileNotFoundError: a file of the sequence is missing.
            ValueError: a file is damaged, files disagree, a check of the sequence refuses it, or ``out`` was prepared from other data.
            WriteError: ``out`` cannot be written.
        """
        intact = {serial: record for serial in serials if (record := self._intact_view(serial)) is not None}
        missing = tuple(serial for serial in serials if serial not in intact)
        videos = {serial: read_video_record(self.recording, serial, self._modality) for serial in missing}
        self._ensure_settings(videos | {serial: record.video for serial, record in intact.items()})
        for serial, record in intact.items():
            check_video(self.recording, self._folder(serial), record, self._modality)
        if missing:
            self.warnings.extend(text for text in self._checks.check(missing) if text not in self.warnings)
        ensure_objects(self.recording, self.out, self._ensure_tracks())
        if missing:
            self._write_views(videos)
        return missing

    @cached_property
    def _checks(self) -> ViewChecks:
        return ViewChecks(self.recording, self._modality)

    @property
    def _key(self) -> str:
        return self.recording.sequence.key

    @property
    def _modality(self) -> str:
        return MODALITIES[self.recipe.video]

    @cached_property
    def _truth(self) -> str:
        return truth_kind(self.recording.download.hand_model, self.recording.hand_model)

    def _folder(self, serial: str) -> Path:
        return view_folder(self.out, self._key, self.recipe, serial)

    def _intact_view(self, serial: str) -> ViewRecord | None:
        try:
            return read_metadata(self._folder(serial), ViewRecord, check="contents")
        except (FileNotFoundError, CorruptFolder):
            return None

    def _ensure_settings(self, videos: Mapping[str, VideoRecord]) -> None:
        settings = PreparationSettings(
            truth=self._truth,
            hand_model=self.recording.hand_model.identity,
            native_size=_check_same_size(self._key, videos),
        )
        ensure_preparation_settings(self.out, settings)

    @cached_property
    def _frames(self) -> SampledFrames:
        return SampledFrames.sample(self.recording, choose_window(self.recording.frames, SOURCE_FPS))

    @cached_property
    def _record(self) -> SequenceRecord:
        """The record to store with the tracks, of the annotations as they are in the download now."""
        clip_window = choose_window(self.recording.frames, SOURCE_FPS)
        return SequenceRecord(
            key=self._key,
            truth=self._truth,
            hand_model=self.recording.hand_model.identity,
            triplet=self.recording.sequence.triplet,
            instances=self.recording.instances,
            frames=self.recording.frames,
            valid_frames=clip_window.valid,
            source_frames=clip_window.indices,
            annotation_digests=self.recording.annotation_digests,
            file_stats=read_file_stats(self.recording.download.root, self.recording.annotation_files),
        )

    def _ensure_tracks(self) -> SequenceRecord:
        """Write the tracks of the sequence unless they exist, and return their record.

        Raises:
            ValueError: existing tracks or views are of other annotations.
        """
        folder = tracks_folder(self.out, self._key)
        try:
            existing = read_metadata(folder, SequenceRecord, check="contents")
        except (FileNotFoundError, CorruptFolder):
            check_views(self.recording, self.out, self._record)
            self._write_tracks(folder)
            return self._record
        file_stats = read_file_stats(self.recording.download.root, self.recording.annotation_files)
        if existing.file_stats != file_stats and existing.content_digest != self._record.content_digest:
            raise ValueError(
                f"{folder} was prepared from other annotations than those in {self.recording.download.root}: delete {folder.parent}, "
                "or prepare into another folder"
            )
        check_views(self.recording, self.out, existing)
        return existing

    def _write_tracks(self, folder: Path) -> None:
        points = choose_points(self._frames.surfaces, POINTS)
        world, part = track_points(points, self._frames.surfaces)
        recorded = recorded_mask(points, self._frames.surfaces)
        arrays = {"world": self._frames.expand(world), "part": part, "recorded": self._frames.expand(recorded)}
        write_folder(folder, self._record, lambda new: write_npz(new / TRACKS, arrays))

    def _write_views(self, videos: Mapping[str, VideoRecord]) -> None:
        views = [self._view_record(serial, video) for serial, video in videos.items()]
        tracks = read_npz(tracks_folder(self.out, self._key) / TRACKS)
        points = self._frames.collapse(tracks["world"]), self._frames.collapse(tracks["recorded"])
        truths = render_truth(self._frames.surfaces, *points, [view.camera.to_camera() for view in views])
        for view, truth in zip(views, truths, strict=True):
            self._write_view(view, truth)

    def _view_record(self, serial: str, video: VideoRecord) -> ViewRecord:
        recording, frames, rule = self.recording, self._frames, self.recipe.crop
        camera = recording.camera(serial, video.size)
        extents = (
            Extent.from_surface(surface, row, camera)
            for surface in frames.surfaces
            for row in frames.rows_for_crop(rule)
        )
        box = crop_box(extents, rule, video.size, f"{serial} of sequence {self._key}")
        files = [recording.sequence.calibration, recording.sequence.video(serial, self._modality)]
        return ViewRecord(
            serial=serial,
            recipe=self.recipe.name,
            camera=CameraRecord.from_camera(crop_camera(camera, box)),
            box=box,
            calibration=CameraRecord.from_camera(recording.calibrations[serial]),
            video=video,
            sequence_digest=self._record.content_digest,
            file_stats=read_file_stats(recording.download.root, files),
        )

    def _write_view(self, view: ViewRecord, truth: ViewTruth) -> None:
        # Read before writing, so that read errors are not reported as write errors.
        path = self.recording.sequence.video(view.serial, self._modality)
        video = decode_crop(path, self._frames.window.indices, view.box, SIZE, self.decoder)
        arrays: dict[str, Array] = {"visible": truth.visible, "depth_edge": truth.depth_edge, "mask": truth.mask}
        packed = {name: np.packbits(self._frames.expand(values), axis=-1) for name, values in arrays.items()}

        def fill(new: Path) -> None:
            encode(new / VIDEO, video, FPS, crf=CRF)
            write_npz(new / VIEW, packed)

        write_folder(self._folder(view.serial), view, fill)


def _check_same_size(key: str, videos: Mapping[str, VideoRecord]) -> tuple[int, int]:
    """Return the (H, W) that all videos of a sequence have, given as serial -> video; raise ValueError if they differ."""
    sizes = {video.size for video in videos.values()}
    if len(sizes) != 1:
        found = ", ".join(f"{serial} {video.size[1]}x{video.size[0]}" for serial, video in videos.items())
        raise ValueError(
            f"the videos of sequence {key} differ in size ({found}): unpack all of them from the same copy of TACO"
        )
    return sizes.pop()
