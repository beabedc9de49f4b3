"""Stored predictions are read, and checked before a run: folders given by ``--method NAME=FOLDER``, and the published outputs of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoibench.clip import Prediction, Scale
from hoibench.datasets.base import Dataset, Grid
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.unit import Unit
from hoibench.methods.method import Entrant
from hoibench.methods.spec import OUTPUTS, Spec
from hoibench.plugins import SPEC_FILE
from hoibench.predictions import (
    PREDICTION_FILE,
    SUFFIXES,
    TRACKS_FILE,
    find_damaged_files,
    find_prediction,
    has_seed_folders,
    prediction_folder,
    read_prediction,
    read_prediction_record,
)
from hoibench.problems import Problem
from hoibench.reference_rows import PUBLISHED
from hoibench.store.npz import read_npz_shapes
from hoibench.text import count
from hoibench.video import read_video_header

_MAX_LISTED = 3


@dataclass(frozen=True)
class UnusablePredictions:
    """The stored predictions of one entrant that its run lacks, and how many these are."""

    count: int
    problems: tuple[Problem, ...]


def find_unusable_predictions(plan: Plan, dataset: Dataset, left: Sequence[Unit]) -> dict[str, UnusablePredictions]:
    """Return the missing and damaged predictions of the units that are left, by the entrant's key, for those with any; only headers are read."""
    found = {}
    for entrant in plan.entrants:
        units = [unit for unit in left if unit.entrant == entrant.key]
        if entrant.spec.folder is not None:
            unusable = _check_folder(entrant.spec, entrant.spec.folder, units, dataset)
        elif entrant.spec.kind == "published":
            unusable = _check_published(entrant, units, plan, dataset)
        else:
            continue
        if unusable.count:
            found[entrant.key] = unusable
    return found


def _check_folder(spec: Spec, folder: Path, units: Sequence[Unit], dataset: Dataset) -> UnusablePredictions:
    missing: list[str] = []
    damaged: list[str] = []
    for unit in units:
        try:
            check_stored_prediction(find_prediction(folder, unit.clip, unit.seed), spec, folder, dataset.grid)
        except FileNotFoundError:
            missing.append(str(prediction_folder(folder, unit.clip, unit.seed).relative_to(folder)))
        except (ValueError, OSError) as error:
            damaged.append(str(error))
    where = f"--method {spec.id}={folder}"
    problems = []
    if missing:
        expected = f"{folder}/seed-S/CLIP" if has_seed_folders(folder) else f"{folder}/CLIP or {folder}/seed-S/CLIP"
        has = _list(sorted(path.name for path in folder.iterdir() if path.is_dir())) or "no folder"
        problems.append(
            Problem(
                where, "", f"lacks {len(missing)} of {count(len(units), 'prediction')} ({_list(missing)})", "",
                f"expected {expected}; {folder} has {has}",
            )
        )  # fmt: skip
    if damaged:
        found = f"cannot be used for {len(damaged)} of {count(len(units), 'prediction')}"
        problems.append(Problem(where, "", found, "", _list(damaged, "; ")))
    return UnusablePredictions(len(missing) + len(damaged), tuple(problems))


def _check_published(entrant: Entrant, units: Iterable[Unit], plan: Plan, dataset: Dataset) -> UnusablePredictions:
    entries = {entry.id: entry for entry in plan.entries}
    name = entrant.spec.id.removeprefix(PUBLISHED)
    reasons = []
    for unit in units:
        try:
            dataset.published_prediction(name, entries[unit.clip])
        except (ValueError, OSError) as error:
            reasons.append(str(error))
    if not reasons:
        return UnusablePredictions(0, ())
    found = f"has {count(len(reasons), 'output')} that cannot be used"
    return UnusablePredictions(len(reasons), (Problem(entrant.key, "", found, "", _list(reasons, "; ")),))


def check_stored_prediction(folder: Path, spec: Spec, root: Path, grid: Grid | None) -> None:
    """Check the files of one stored prediction by their headers.

    Args:
        folder: the prediction's folder.
        spec: the spec of the folder of predictions.
        root: the folder of predictions.
        grid: the shape of the data set's clips; None checks no shapes.

    Raises:
        FileNotFoundError: it has no files.
        ValueError, OSError: a file is damaged or does not fit the spec or the grid; the message names it.
    """
    _check_record(folder, root, spec.scale)
    videos = sorted(path for path in folder.glob("view-*") if path.suffix in SUFFIXES)
    tracks = folder / TRACKS_FILE
    if not videos and not tracks.is_file():
        raise FileNotFoundError(f"{folder} has no prediction")
    shapes = read_npz_shapes(tracks) if tracks.is_file() else {}
    outputs = [name for name in OUTPUTS if name in shapes or (name == "video" and videos)]
    if set(outputs) != set(spec.outputs):
        raise ValueError(f"{folder} has the outputs {', '.join(outputs)}, expected {', '.join(spec.outputs)}")
    if grid is not None:
        _check_shapes(tracks, shapes, spec, grid)
        _check_videos(folder, videos, grid)


def _check_shapes(path: Path, shapes: Mapping[str, tuple[int, ...]], spec: Spec, grid: Grid) -> None:
    start = (grid.views, grid.frames)
    points = (*start, grid.points, 3) if spec.pairing == "query" and grid.points else (*start, None, 3)
    expected = {"tracks": points, "points": (*start, None, None, 3), "masks": (*start, *grid.size)}
    for name, shape in shapes.items():
        wanted = expected.get(name, shape)
        if len(shape) != len(wanted) or any(b not in (a, None) for a, b in zip(shape, wanted, strict=True)):
            text = ", ".join("any" if size is None else str(size) for size in wanted)
            raise ValueError(f"{path}: {name} has shape {shape}, expected ({text})")


def _check_videos(folder: Path, videos: Sequence[Path], grid: Grid) -> None:
    if videos and len(videos) != grid.views:
        raise ValueError(
            f"{folder} has {count(len(videos), 'video')}, expected one for each of {count(grid.views, 'view')}"
        )
    for path in videos:
        header = read_video_header(path)
        found = header.frames or grid.frames, header.height, header.width  # 0 frames: not in the header
        if found != (grid.frames, *grid.size):
            frames, height, width = found
            raise ValueError(
                f"{path} has {frames} frames of {height}x{width}, expected {grid.frames} of {grid.size[0]}x{grid.size[1]}"
            )


def _list(texts: Sequence[str], separator: str = ", ") -> str:
    more = [f"and {len(texts) - _MAX_LISTED} more"] if len(texts) > _MAX_LISTED else []
    return separator.join([*texts[:_MAX_LISTED], *more])


def read_stored_prediction(folder: Path, clip: str, seed: int, scale: Scale) -> Prediction:
    """Read a clip's prediction from a folder of predictions.

    Args:
        folder: holds ``CLIP`` or ``seed-S/CLIP``, and perhaps ``spec.toml``.
        clip: the clip's id.
        seed: the prediction's seed.
        scale: the scale that ``spec.toml`` gives; without that file, the one of predictions that do not state theirs.

    Raises:
        FileNotFoundError: the clip has no prediction.
        ValueError: a file is damaged, or the prediction's scale is not that of ``spec.toml``; the message names the file.
    """
    found = find_prediction(folder, clip, seed)
    _check_record(found, folder, scale)
    return read_prediction(found, scale)


def _check_record(folder: Path, root: Path, scale: Scale) -> None:
    """Check the sizes of a prediction's files and its scale against prediction.json, if there is one."""
    if not (folder / PREDICTION_FILE).is_file():
        return
    if damaged := find_damaged_files(folder):
        raise ValueError(
            f"{damaged[0]} is missing or does not have the size in {PREDICTION_FILE}: write the prediction again"
        )
    found = read_prediction_record(folder).scale
    if (root / SPEC_FILE).is_file() and found != scale:
        raise ValueError(f"{folder / PREDICTION_FILE} says scale {found}, {root / SPEC_FILE} says {scale}")
