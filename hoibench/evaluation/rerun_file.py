"""Write a clip with the predictions of several methods as a file for the viewer of https://rerun.io (extra ``rerun``).

Entities: ``world/cameras/VIEW``, ``world/truth``, ``world/METHOD/VIEW`` (points in the world, aligned as the metrics do) and ``videos/METHOD/VIEW``,
all on the timeline ``frame``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hoibench.clip import PARTS, Array, Camera, Clip, Pairing
from hoibench.geometry import optical_centre
from hoibench.metrics.aligned_motion import align_stored_prediction
from hoibench.metrics.measurement import NoValue
from hoibench.metrics.true_tracks import cameras_to_world
from hoibench.predictions import read_prediction
from hoibench.store import write_bytes

if TYPE_CHECKING:
    from rerun import RecordingStream

TIMELINE = "frame"
RADIUS = 0.002
"""Metres: the radius of a point."""
METHOD_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
PART_COLOURS = ((0, 114, 178), (86, 180, 233), (213, 94, 0), (0, 158, 115))


@dataclass(frozen=True)
class ExportedPrediction:
    """A stored prediction to export: its folder, and its ``pairing`` with the true points; None without points."""

    folder: Path
    pairing: Pairing | None


def write_rerun(path: Path, clip: Clip, predictions: Mapping[str, ExportedPrediction]) -> dict[str, str]:
    """Write a clip's cameras and true points, and the videos and points of some predictions of it, as an .rrd file, atomically.

    Args:
        path: the file.
        clip: the clip as it was scored, from ``hoibench.clip_file.read_clip``.
        predictions: the predictions by the name of their method.

    Returns:
        For each prediction without points the reason.

    Raises:
        ImportError: rerun is not installed.
        FileNotFoundError, ValueError: a prediction is missing or damaged.
        OSError: the file cannot be written.
    """
    import rerun as rr

    recording = rr.RecordingStream("hoibench", recording_id=f"hoibench {clip.id} {path.stem}")
    memory = recording.memory_recording()
    parts = [
        rr.AnnotationInfo(n, part, colour) for n, (part, colour) in enumerate(zip(PARTS, PART_COLOURS, strict=True))
    ]
    recording.log("world", rr.AnnotationContext(parts), static=True)
    for view in clip.views:
        if view.camera is not None:
            _log_camera(recording, rr.new_entity_path(["world", "cameras", view.id]), view.camera)
    if clip.tracks is not None:
        tracks = clip.tracks
        recorded = np.ones(tracks.world.shape[:2], bool) if tracks.recorded is None else tracks.recorded
        _log_points(recording, "world/truth", tracks.world, recorded, tracks.part, None)
    reasons: dict[str, str] = {}
    memo: dict[Hashable, Any] = {}
    for n, (name, prediction) in enumerate(predictions.items()):
        _log_videos(recording, clip, name, prediction.folder)
        try:
            motion = align_stored_prediction(prediction.folder, clip, prediction.pairing, memo)
        except NoValue as none:
            reasons[name] = none.reason
            continue
        truth = motion.truth
        world, valid = cameras_to_world(motion.pred.xyz, truth.cameras), motion.pred.valid & truth.visible_first
        for v, view_id in enumerate(truth.views):
            entity = rr.new_entity_path(["world", name, view_id])
            _log_points(recording, entity, world[v], valid[v], truth.part, METHOD_COLOURS[n % len(METHOD_COLOURS)])
    recording.flush()
    write_bytes(path, memory.drain_as_bytes())
    return reasons


def _log_camera(recording: RecordingStream, entity: str, camera: Camera) -> None:
    import rerun as rr

    height, width = camera.size
    recording.log(entity, rr.Pinhole(image_from_camera=camera.K, resolution=(width, height)), static=True)
    if not camera.is_moving:
        recording.log(
            entity, rr.Transform3D(translation=optical_centre(camera.R, camera.t), mat3x3=camera.R.T), static=True
        )
        return
    centres, axes = optical_centre(camera.R, camera.t), np.ascontiguousarray(camera.R.mT)
    columns = rr.Transform3D.columns(translation=centres, mat3x3=axes)
    recording.send_columns(entity, indexes=[rr.TimeColumn(TIMELINE, sequence=range(len(centres)))], columns=columns)


def _log_points(
    recording: RecordingStream,
    entity: str,
    world: Array,
    valid: Array,
    part: Array,
    colour: tuple[int, int, int] | None,
) -> None:
    """Log points (N, K, 3) in the world where (N, K) ``valid``, with their parts, (K,); without a colour they have those of their parts."""
    import rerun as rr

    parts = np.broadcast_to(part, valid.shape)[valid]
    columns = rr.Points3D.columns(positions=world[valid].astype(np.float32), class_ids=parts)
    times = rr.TimeColumn(TIMELINE, sequence=range(len(world)))
    recording.send_columns(entity, indexes=[times], columns=columns.partition(valid.sum(axis=1)))
    colours = None if colour is None else [colour]
    recording.log(entity, rr.Points3D.from_fields(colors=colours, radii=[RADIUS]), static=True)


def _log_videos(recording: RecordingStream, clip: Clip, name: str, folder: Path) -> None:
    """Log the H.264 videos of a prediction; the viewer plays no other kind of ours."""
    import rerun as rr

    for view, path in zip(clip.views, read_prediction(folder).video or (), strict=False):
        if not isinstance(path, Path) or path.suffix != ".mp4":
            continue
        entity = rr.new_entity_path(["videos", name, view.id])
        video = rr.AssetVideo(path=path)
        recording.log(entity, video, static=True)
        try:
            times = video.read_frame_timestamps_nanos()[: clip.frames]
        except RuntimeError as error:
            raise ValueError(f"{path} cannot be read as a video ({error}): generate the prediction again") from error
        recording.send_columns(
            entity,
            indexes=[rr.TimeColumn(TIMELINE, sequence=range(len(times)))],
            columns=rr.VideoFrameReference.columns_nanos(times),
        )
