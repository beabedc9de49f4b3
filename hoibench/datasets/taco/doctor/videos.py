"""Videos of the fixed cameras and of the helmet: whole, of the calibration's aspect, as long as the annotation."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import EGO_RGB, MARKER_REMOVED, POSES, RGB, TacoSequence
from hoibench.datasets.taco.protocol import SOURCE_FPS
from hoibench.datasets.taco.recording import check_aspect, check_frame_count, check_rate
from hoibench.store.records import Record, read_toml
from hoibench.video import VideoHeader, probe, read_video_header


def check_videos(context: DiagnosticContext) -> Iterator[Check]:
    """The checks of this module: heads of all videos, whole files of the sampled sequences."""
    yield from _heads(context)
    yield _whole_files(context)
    yield _ego(context)


def _heads(context: DiagnosticContext) -> Iterator[Check]:
    broken, sizes, counts, rates = Findings(), Findings(), Findings(), Findings()
    heads = compared = 0
    for sequence in context.each("heads of videos", context.listing.sequences.values()):
        calibrations = _calibrations(sequence)
        for zip_name, path in _videos(sequence):
            with broken.catch(path):
                head = read_video_header(path)
                heads += 1
                if (camera := calibrations.get(path.stem)) is not None:
                    with sizes.catch(path):
                        check_aspect(path, head, sequence.calibration, camera, zip_name)
                compared += _compare_count(counts, path, head, context.frames.get(sequence.key), zip_name)
                with rates.catch(path):
                    check_rate(path, head.fps, zip_name)
    yield broken.check(
        "videos",
        "videos are broken",
        "all videos have a whole head",
        "download the camera's zip again, or unpack it again",
        looked_at=heads,
    )
    yield sizes.check(
        "video-size",
        "videos are of another aspect than their calibration's imgSize",
        "all videos have the aspect of their calibration's imgSize",
        "take videos and Allocentric_Camera_Parameters.zip from the same copy of TACO",
        looked_at=heads,
    )
    yield counts.check(
        "video-frames",
        "videos have other frame counts than the object poses",
        "all videos have as many frames as the object poses have rows",
        "download the camera's zip again; if they stay, leave these sequences or cameras out",
        looked_at=compared,
    )
    yield rates.check(
        "video-rate",
        f"videos are not at {SOURCE_FPS:g} frames per second",
        f"all videos are at {SOURCE_FPS:g} frames per second",
        "unpack the camera's zip again",
        looked_at=heads,
    )


def _videos(sequence: TacoSequence) -> list[tuple[str, Path]]:
    """The zip, MODALITY/SERIAL, and the path of each video."""
    found = ((kind, sequence.videos(kind)) for kind in (RGB, MARKER_REMOVED))
    return [(f"{kind}/{serial}", path) for kind, videos in found for serial, path in videos.items()]


def _calibrations(sequence: TacoSequence) -> dict[str, Calibration]:
    try:
        return read_calibration(sequence.calibration)
    except (ValueError, OSError):
        return {}  # told by the check of calibrations


def _compare_count(counts: Findings, path: Path, head: VideoHeader, rows: int | None, zip_name: str) -> bool:
    """Whether there was something to compare: a head may not say how many frames there are, and poses may be missing."""
    if rows is None or head.frames == 0:
        return False
    with counts.catch(path):
        check_frame_count(path, head.frames, rows, zip_name)
    return True


def _whole_files(context: DiagnosticContext) -> Check:
    found = Findings()
    read = 0
    videos = [path for sequence in context.sampled for _, path in _videos(sequence)]
    for path in context.each("whole videos", videos):
        try:
            promised = read_video_header(path).frames
        except (ValueError, OSError):
            continue  # told by the check of heads
        with found.catch(path):
            frames = probe(path).frames
            read += 1
            if promised not in (0, frames):
                found.add(path, f"holds {frames} frames", expected=f"{promised}, as its head says")
    return found.check(
        "whole-videos",
        "videos stop early, or hold other frames than their heads say",
        "videos hold every frame that their heads say",
        "download the camera's zip again, or unpack it again",
        looked_at=read,
    )


def _ego(context: DiagnosticContext) -> Check:
    found = Findings()
    compared = 0
    keys = sorted(context.listing.there[EGO_RGB])
    for key in context.each("egocentric videos", keys):
        path = context.listing.sequences[key].ego_video
        with found.catch(path):
            compared += _compare_count(found, path, read_video_header(path), context.frames.get(key), EGO_RGB)
    if keys:
        for key in sorted(_ego_errata() & context.listing.there[POSES] - set(keys)):
            found.add(key, "has no egocentric video: none was released")
    return found.check(
        "ego",
        "egocentric videos are missing or have other frame counts than the object poses",
        "all egocentric videos have as many frames as the object poses have rows",
        "nothing: clips are made of the fixed cameras alone",
        looked_at=compared,
        status="warning",
    )


def _ego_errata() -> frozenset[str]:
    return frozenset(read_toml(_EgoErrata, files("hoibench.datasets.taco.doctor") / "ego_errata.toml").without_video)


class _EgoErrata(Record):
    """The file ego_errata.toml: keys of sequences that have no egocentric video."""

    without_video: tuple[str, ...]
