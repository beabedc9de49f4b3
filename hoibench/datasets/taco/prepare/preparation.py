"""Preparation: from a recording to clips on the protocol's grid, in pieces that are whole or absent, so that it goes on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.hand.hand_models import truth_label
from hoibench.datasets.taco.prepare.footage import one_size, video_facts
from hoibench.datasets.taco.prepare.in_sight import check_in_sight
from hoibench.datasets.taco.prepare.kept import check_video, check_views
from hoibench.datasets.taco.prepare.origin import Origin, claim
from hoibench.datasets.taco.prepare.prepared_facts import (
    SequenceFacts,
    VideoFacts,
    ViewFacts,
    sequence_facts,
    view_facts,
)
from hoibench.datasets.taco.prepare.prepared_folder import TRACKS, VIDEO, VIEW, tracks_folder, view_folder
from hoibench.datasets.taco.prepare.sealed import Damaged, read_sealed, seal
from hoibench.datasets.taco.prepare.shot import Shot
from hoibench.datasets.taco.prepare.sight import Sight, look
from hoibench.datasets.taco.prepare.stamps import stamp_files
from hoibench.datasets.taco.protocol import FPS, MODALITIES, POINTS, SIZE, SOURCE_FPS, Recipe, window
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import choose_points, follow, recorded_points
from hoibench.store import read_npz, write_npz
from hoibench.video import encode, extract

CRF = 12


def prepare_sequence(recording: Recording, out: Path, serials: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Make what ``out`` lacks of a sequence's tracks and of these cameras' views of it; the serials of the views that were made.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file is broken, files disagree, a camera sees nothing of the truth, or ``out`` was prepared from something else.
        Unwritable: ``out`` cannot be written.
    """
    return Preparation(recording, out, recipe).ensure(serials)


@dataclass(frozen=True, eq=False)
class Preparation:
    """The views of a recording that one recipe makes, kept in the folder ``out``; what is read of the recording is read once."""

    recording: Recording
    out: Path
    recipe: Recipe

    def ensure(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Make what is missing; see ``prepare_sequence``."""
        kept = {serial: facts for serial in serials if (facts := self._whole_view(serial)) is not None}
        missing = tuple(serial for serial in serials if serial not in kept)
        videos = {serial: video_facts(self.recording, serial, self._modality) for serial in missing}
        self._claim(videos | {serial: facts.video for serial, facts in kept.items()})
        for serial, facts in kept.items():
            check_video(self.recording, self._folder(serial), facts, self._modality)
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

    def _folder(self, serial: str) -> Path:
        return view_folder(self.out, self._key, self.recipe, serial)

    def _whole_view(self, serial: str) -> ViewFacts | None:
        try:
            return view_facts(read_sealed(self._folder(serial)))
        except (FileNotFoundError, Damaged):
            return None

    def _claim(self, videos: Mapping[str, VideoFacts]) -> None:
        model = self.recording.hand_model
        truth = truth_label(self.recording.tree.hand_model, model)
        claim(self.out, Origin(truth, model.identity, one_size(self._key, videos)))

    @cached_property
    def _shot(self) -> Shot:
        return Shot.take(self.recording, window(self.recording.frames, SOURCE_FPS))

    @cached_property
    def _annotations(self) -> SequenceFacts:
        """What the tracks' folder says where it is made from the recording as it is now."""
        span = window(self.recording.frames, SOURCE_FPS)
        model = self.recording.hand_model
        return SequenceFacts(
            self._key,
            truth_label(self.recording.tree.hand_model, model),
            model.identity,
            self.recording.sequence.triplet,
            self.recording.instances,
            self.recording.frames,
            span.valid,
            span.indices,
            self.recording.digests,
            stamp_files(self.recording.tree.root, self.recording.annotation_files),
        )

    def _ensure_tracks(self) -> None:
        """Make the tracks of the sequence unless they are there; those that are there, and all views, must be of these annotations."""
        folder = tracks_folder(self.out, self._key)
        try:
            there = sequence_facts(read_sealed(folder))
        except (FileNotFoundError, Damaged):
            check_views(self.recording, self.out, self._annotations)
            self._make_tracks(folder)
            return
        stamps = stamp_files(self.recording.tree.root, self.recording.annotation_files)
        if there.stamps != stamps and there.annotations != self._annotations.annotations:
            raise ValueError(
                f"{folder} was made from other annotations than {self.recording.tree.root} now has: delete {folder.parent}, "
                "or prepare into another folder"
            )
        check_views(self.recording, self.out, there)

    def _make_tracks(self, folder: Path) -> None:
        points = choose_points(self._shot.surfaces, POINTS)
        world, part = follow(points, self._shot.surfaces)
        recorded = recorded_points(points, self._shot.surfaces)
        arrays = {"world": self._shot.spread(world), "part": part, "recorded": self._shot.spread(recorded)}
        seal(folder, asdict(self._annotations), lambda temporary: write_npz(temporary / TRACKS, arrays))

    def _make_views(self, videos: Mapping[str, VideoFacts]) -> None:
        cameras = (calibration.camera(calibration.size) for calibration in self.recording.calibrations.values())
        check_in_sight(self._key, self._shot.surfaces, cameras)
        views = [self._crop(serial, video) for serial, video in videos.items()]
        tracks = read_npz(tracks_folder(self.out, self._key) / TRACKS)
        points = self._shot.once(tracks["world"]), self._shot.once(tracks["recorded"])
        sights = look(self._shot.surfaces, *points, [view.camera for view in views])
        for serial, view, sight in zip(videos, views, sights, strict=True):
            self._make_view(serial, view, sight)

    def _crop(self, serial: str, video: VideoFacts) -> ViewFacts:
        recording, shot, rule = self.recording, self._shot, self.recipe.crop
        camera = recording.camera(serial, video.size)
        extents = (
            Extent.of(np.concatenate([surface.vertices[row] for surface in shot.surfaces]), camera)
            for row in shot.rows_of(rule)
        )
        box = crop_box(extents, rule, video.size, f"{serial} of sequence {self._key}")
        files = [recording.sequence.calibration, recording.sequence.video(serial, self._modality)]
        return ViewFacts(
            serial,
            self.recipe.name,
            crop_camera(camera, box),
            box,
            recording.calibrations[serial],
            video,
            self._annotations.annotations,
            stamp_files(recording.tree.root, files),
        )

    def _make_view(self, serial: str, view: ViewFacts, sight: Sight) -> None:
        # Read before anything is written, so that an error here is the download's, and one there the disk's.
        path = self.recording.sequence.video(serial, self._modality)
        video = extract(path, self._shot.span.indices, view.box, SIZE)
        seen: dict[str, Array] = {"visible": sight.visible, "mask": sight.mask}
        packed = {name: np.packbits(self._shot.spread(values), axis=-1) for name, values in seen.items()}

        def fill(temporary: Path) -> None:
            encode(temporary / VIDEO, video, FPS, crf=CRF)
            write_npz(temporary / VIEW, packed)

        seal(self._folder(serial), view.to_json(), fill)
