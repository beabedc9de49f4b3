"""Stored predictions are read, and checked before a run: folders given by ``--method NAME=FOLDER``, and the published outputs of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoibench.clip import Prediction, Scale
from hoibench.datasets.base import Dataset
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.unit import Unit
from hoibench.methods.method import Entrant
from hoibench.methods.spec import Spec
from hoibench.predictions import find_prediction, has_seed_folders, prediction_folder, read_prediction
from hoibench.problems import Problem
from hoibench.reference_rows import PUBLISHED
from hoibench.submissions.limited import LimitedProcess
from hoibench.submissions.prediction_check import check_record, find_header_problems
from hoibench.submissions.submission import SUBMISSION_FILE, read_submission
from hoibench.text import count

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
            unusable = _check_split(entrant.spec, entrant.spec.folder, units, plan) or _check_folder(
                entrant.spec, entrant.spec.folder, units, dataset
            )
        elif entrant.spec.kind == "published":
            unusable = _check_published(entrant, units, plan, dataset)
        else:
            continue
        if unusable.count:
            found[entrant.key] = unusable
    return found


def _check_split(spec: Spec, folder: Path, units: Sequence[Unit], plan: Plan) -> UnusablePredictions | None:
    """Return all predictions of a submission that is for another split than the run."""
    if not units or not (folder / SUBMISSION_FILE).is_file():
        return None
    submission, manifest = read_submission(folder), plan.manifest
    if submission.split_id == manifest.split_id:
        return None
    found = f"is for {submission.split} with the id {submission.split_id}"
    fix = f"this run is on {manifest.split} with the id {manifest.split_id}"
    return UnusablePredictions(len(units), (Problem(f"--method {spec.id}={folder}", "", found, "", fix),))


def _check_folder(spec: Spec, folder: Path, units: Sequence[Unit], dataset: Dataset) -> UnusablePredictions:
    missing: list[str] = []
    damaged: list[str] = []
    with LimitedProcess() as process:
        for unit in units:
            try:
                stored = find_prediction(folder, unit.clip, unit.seed)
                damaged += map(str, process.call(find_header_problems, stored, spec, folder, dataset.grid)[:1])
            except FileNotFoundError:
                missing.append(str(prediction_folder(folder, unit.clip, unit.seed).relative_to(folder)))
            except (ValueError, OSError) as error:
                damaged.append(f"{stored} {error}")
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
    check_record(found, folder, scale)
    return read_prediction(found, scale)
