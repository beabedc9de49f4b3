"""Checks of one stored prediction; those that read bytes of its files are to be called through ``LimitedProcess``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from hoibench.clip import Scale
from hoibench.datasets.base import Grid
from hoibench.methods.spec import OUTPUTS, Spec
from hoibench.plugins import SPEC_FILE
from hoibench.predictions import (
    PREDICTION_FILE,
    SUFFIXES,
    TRACKS_FILE,
    decode_prediction,
    find_damaged_files,
    output_digests,
    read_prediction,
    read_prediction_record,
)
from hoibench.problems import Problem, ProblemsFound, raise_if_any
from hoibench.store.npz import read_npz_shapes
from hoibench.submissions.submission import SUBMISSION_FILE
from hoibench.text import count
from hoibench.video import probe, read_frame_times, read_video_header

_FPS_TOLERANCE = 0.01
_GAP_TOLERANCE = 0.1  # of the time between two frames; Matroska rounds times to milliseconds


@dataclass(frozen=True)
class PredictionCheck:
    """The problems of a prediction, and without problems the digests of its outputs; see ``output_digests``."""

    problems: tuple[Problem, ...]
    digests: Mapping[str, str] = field(default_factory=dict)


def check_prediction(folder: Path, spec: Spec, root: Path | None, grid: Grid | None) -> PredictionCheck:
    """Read all of a prediction, with its videos decoded, unless the headers of its videos and arrays have problems already.

    A fault has one problem: of a damaged file, that of its contents rather than of its size in prediction.json.

    Args:
        folder: the prediction's folder.
        spec: the spec of the predictions in ``root``.
        root: the folder of all predictions; None for a copy in a run, whose outputs and scale have been checked.
        grid: the shape of the data set's clips; None checks no shapes.

    Raises:
        FileNotFoundError: it has no files.
    """
    listed = _find_record_problems(folder, spec, root)
    missing = [problem.file for problem in listed if not Path(problem.file).is_file()]
    explained = [*missing, f"{folder} "] if missing else []
    found = [problem for problem in _find_file_problems(folder, spec, root, grid) if not _names(problem, explained)]
    digests: Mapping[str, str] = {}
    if not found:
        try:
            digests = output_digests(decode_prediction(read_prediction(folder, spec.scale)))
        except (ValueError, OSError) as error:
            found = [problem for problem in [Problem.from_text(str(error))] if not _names(problem, explained)]
    listed = [problem for problem in listed if not any(_names(other, [problem.file]) for other in found)]
    return PredictionCheck((*listed, *found), {} if listed or found else digests)


def _names(problem: Problem, places: Iterable[str]) -> bool:
    """Return True if a problem is printed with one of these files or folders first."""
    return any(str(problem).startswith(place) for place in places)


def find_header_problems(folder: Path, spec: Spec, root: Path | None, grid: Grid | None) -> list[Problem]:
    """Return the problems of the headers of a prediction's files; arguments and errors as in ``check_prediction``."""
    return [*_find_record_problems(folder, spec, root), *_find_file_problems(folder, spec, root, grid)]


def _find_record_problems(folder: Path, spec: Spec, root: Path | None) -> list[Problem]:
    try:
        if root is not None:
            check_record(folder, root, spec.scale)
    except ProblemsFound as error:
        return list(error.problems)
    except (ValueError, OSError) as error:
        return [Problem.from_text(str(error))]
    return []


def _find_file_problems(folder: Path, spec: Spec, root: Path | None, grid: Grid | None) -> list[Problem]:
    found: list[Problem] = []
    videos = sorted(path for path in folder.glob("view-*") if path.suffix in SUFFIXES)
    tracks = folder / TRACKS_FILE
    if not videos and not tracks.is_file():
        raise FileNotFoundError(f"{folder} has no prediction")
    shapes: Mapping[str, tuple[int, ...]] = {}
    try:
        shapes = read_npz_shapes(tracks) if tracks.is_file() else {}
    except (ValueError, OSError) as error:
        found.append(Problem.from_text(str(error)))
    else:
        outputs = [name for name in OUTPUTS if name in shapes or (name == "video" and videos)]
        if root is not None and set(outputs) != set(spec.outputs):
            listed = f"has the outputs {', '.join(outputs)}"
            found.append(Problem(str(folder), "", listed, ", ".join(spec.outputs), ""))
    if grid is not None:
        found += _find_shape_problems(tracks, shapes, spec, grid)
        found += _find_video_problems(folder, videos, grid)
    return found


def _find_shape_problems(
    path: Path, shapes: Mapping[str, tuple[int, ...]], spec: Spec, grid: Grid
) -> Iterator[Problem]:
    start = (grid.views, grid.frames)
    points = (*start, grid.points, 3) if spec.pairing == "query" and grid.points else (*start, None, 3)
    expected = {"tracks": points, "points": (*start, None, None, 3), "masks": (*start, *grid.size)}
    for name, shape in shapes.items():
        wanted = expected.get(name, shape)
        if len(shape) != len(wanted) or any(b not in (a, None) for a, b in zip(shape, wanted, strict=True)):
            text = ", ".join("any" if size is None else str(size) for size in wanted)
            yield Problem(str(path), "", f"{name} has shape {shape}", f"({text})", "")


def _find_video_problems(folder: Path, videos: Sequence[Path], grid: Grid) -> Iterator[Problem]:
    if videos and len(videos) != grid.views:
        expected = f"one for each of {count(grid.views, 'view')}"
        yield Problem(str(folder), "", f"has {count(len(videos), 'video')}", expected, "")
    for path in videos:
        try:
            header = read_video_header(path)
        except (ValueError, OSError) as error:
            yield Problem.from_text(str(error))
            continue
        found = header.frames or grid.frames, header.height, header.width  # 0 frames: not in the header
        if found != (grid.frames, *grid.size):
            frames, height, width = found
            expected = f"{grid.frames} of {grid.size[0]}x{grid.size[1]}"
            yield Problem(str(path), "", f"has {frames} frames of {height}x{width}", expected, "")


def find_rate_problems(folder: Path, fps: float) -> list[Problem]:
    """Return the videos of a prediction whose frame rate is not that of the data set's clips; unreadable ones are left out."""
    found = []
    for path in sorted(path for path in folder.glob("view-*") if path.suffix in SUFFIXES):
        try:
            rate, times = probe(path).fps, read_frame_times(path)
        except (ValueError, OSError):
            continue
        fix = f"encode the frames at {fps:g} frames per second"
        gaps = [b - a for a, b in pairwise(times)]
        if any(abs(gap - median(gaps)) > _GAP_TOLERANCE / fps for gap in gaps):
            found.append(Problem(str(path), "", "has a variable frame rate", f"{fps:g} frames per second", fix))
        elif abs(rate - fps) > _FPS_TOLERANCE * fps:
            found.append(Problem(str(path), "", f"has {rate:g} frames per second", f"{fps:g}", fix))
    return found


def check_record(folder: Path, root: Path, scale: Scale) -> None:
    """Check the sizes of a prediction's files and its scale against prediction.json, if there is one.

    Raises:
        ProblemsFound: files are missing or have another size.
        ValueError: prediction.json cannot be read, or has another scale than the file that describes all predictions.
    """
    if not (folder / PREDICTION_FILE).is_file():
        return
    raise_if_any(find_damaged_files(folder))
    found = read_prediction_record(folder).scale
    for name in (SUBMISSION_FILE, SPEC_FILE):
        if (root / name).is_file() and found != scale:
            raise ValueError(f"{folder / PREDICTION_FILE} says scale {found}, {root / name} says {scale}")
