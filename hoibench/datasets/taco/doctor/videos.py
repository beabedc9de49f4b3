"""Checks of videos: complete, at TACO's frame rate, of the calibration's aspect ratio, and as long as the annotation."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import EGO_RGB, MARKER_REMOVED, POSES, RGB, TacoSequence
from hoibench.datasets.taco.protocol import SOURCE_FPS
from hoibench.datasets.taco.recording import LARGEST_DRIFT, check_aspect, check_frame_count, check_rate
from hoibench.store.records import Record, read_toml
from hoibench.video import VideoHeader, probe, read_video_header


def check_videos(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks of videos: headers of all videos, complete files of the sampled sequences, and the egocentric videos."""
    yield from _headers(context)
    yield _complete_files(context)
    yield _ego(context)


def _headers(context: DiagnosticContext) -> Iterator[Check]:
    invalid, sizes, counts, rates = Findings(), Findings(), Findings(), Findings()
    heads = compared = 0
    for sequence in context.iterate("headers of videos", context.listing.sequences.values()):
        calibrations = _calibrations(sequence)
        for zip_name, path in _videos(sequence):
            with invalid.catch(path):
                head = read_video_header(path)
                heads += 1
                if (camera := calibrations.get(path.stem)) is not None:
                    with sizes.catch(path):
                        check_aspect(path, head, sequence.calibration, camera, zip_name)
                compared += _compare_count(counts, path, head, context.frame_counts.get(sequence.key), zip_name)
                with rates.catch(path):
                    check_rate(path, head, zip_name)
    yield invalid.to_check(
        "videos",
        "videos are damaged",
        "all videos have a valid header",
        "download the camera's zip again, or unpack it again",
        checked=heads,
    )
    yield sizes.to_check(
        "video-size",
        "videos have another aspect ratio than their calibration's imgSize",
        "all videos have the aspect ratio of their calibration's imgSize",
        "use videos and Allocentric_Camera_Parameters.zip from the same copy of TACO",
        checked=heads,
    )
    yield counts.to_check(
        "video-frames",
        "videos have other frame counts than the object poses",
        "all videos have as many frames as the object poses have rows",
        "download the camera's zip again; if the problem remains, exclude these sequences or cameras",
        checked=compared,
    )
    yield rates.to_check(
        "video-rate",
        f"videos are not at {SOURCE_FPS:g} frames per second throughout",
        f"all videos are at {SOURCE_FPS:g} frames per second throughout, within {LARGEST_DRIFT:g} frames",
        "unpack the camera's zip again",
        checked=heads,
    )


def _videos(sequence: TacoSequence) -> list[tuple[str, Path]]:
    """Return the name of the zip, MODALITY/SERIAL, and the path, for each video of a sequence by a fixed camera."""
    found = ((kind, sequence.videos(kind)) for kind in (RGB, MARKER_REMOVED))
    return [(f"{kind}/{serial}", path) for kind, videos in found for serial, path in videos.items()]


def _calibrations(sequence: TacoSequence) -> dict[str, Calibration]:
    try:
        return read_calibration(sequence.calibration)
    except (ValueError, OSError):
        return {}  # reported by the check of calibrations


def _compare_count(counts: Findings, path: Path, head: VideoHeader, rows: int | None, zip_name: str) -> bool:
    """Add a problem to ``counts`` if a video's frame count differs from the poses' rows; return False if either is unknown, else True."""
    if rows is None or head.frames == 0:
        return False
    with counts.catch(path):
        check_frame_count(path, head.frames, rows, zip_name)
    return True


def _complete_files(context: DiagnosticContext) -> Check:
    found = Findings()
    read = 0
    videos = [path for sequence in context.sampled for _, path in _videos(sequence)]
    for path in context.iterate("complete videos", videos):
        try:
            expected = read_video_header(path).frames
        except (ValueError, OSError):
            continue  # reported by the check of headers
        with found.catch(path):
            frames = probe(path).frames
            read += 1
            if expected not in (0, frames):
                found.add(path, f"has {frames} frames", expected=f"{expected} as in its header")
    return found.to_check(
        "complete-videos",
        "videos have other frame counts than their headers",
        "videos have as many frames as their headers say",
        "download the camera's zip again, or unpack it again",
        checked=read,
    )


def _ego(context: DiagnosticContext) -> Check:
    found = Findings()
    compared = 0
    keys = sorted(context.listing.keys[EGO_RGB])
    for key in context.iterate("egocentric videos", keys):
        path = context.listing.sequences[key].ego_video
        with found.catch(path):
            compared += _compare_count(found, path, read_video_header(path), context.frame_counts.get(key), EGO_RGB)
    if keys:
        for key in sorted(ego_errata() & context.listing.keys[POSES] - set(keys)):
            found.add(key, "has no egocentric video because none was released")
    return found.to_check(
        "ego",
        "egocentric videos are missing or have other frame counts than the object poses",
        "all egocentric videos have as many frames as the object poses have rows",
        "nothing: clips use only the fixed cameras",
        checked=compared,
        status="warning",
    )


def ego_errata() -> frozenset[str]:
    """Return the keys of the sequences for which TACO has released no egocentric video."""
    return frozenset(read_toml(_EgoErrata, files("hoibench.datasets.taco.doctor") / "ego_errata.toml").without_video)


class _EgoErrata(Record):
    """The file ego_errata.toml: keys of the sequences for which TACO has released no egocentric video."""

    without_video: tuple[str, ...]
