"""Validation of a submission or of a packed result: every problem at once, before anything is scored or published."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hoibench.methods.spec import Spec
from hoibench.problems import Problem, ProblemsFound
from hoibench.progress import ProgressCallback
from hoibench.results.pack import is_pack
from hoibench.submissions.archive import unpack
from hoibench.submissions.claims import find_copied_seeds, find_coverage_problems, find_name_problems
from hoibench.submissions.layout import Layout, StoredFolder, read_layout
from hoibench.submissions.limited import LimitedProcess, LimitExceeded, call_limited
from hoibench.submissions.pack_check import find_pack_problems
from hoibench.submissions.prediction_check import check_prediction, find_rate_problems
from hoibench.submissions.stored_spec import ARCHIVE_SUFFIX, UNPACKING, find_root
from hoibench.submissions.submission import SUBMISSION_FILE, Submission, read_submission
from hoibench.submissions.target import Target, find_target
from hoibench.text import printable


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes:
        problems: all problems; files are relative to the submission.
        submission: the contents of submission.toml; None if it cannot be read, and then no prediction was read either.
        layout: the predictions that were found; None of a pack, and of a zip that is not unpacked.
        is_pack: True for a packed result.
    """

    problems: tuple[Problem, ...]
    submission: Submission | None
    layout: Layout | None
    is_pack: bool = False


def validate(path: Path, root: Path | None = None, on_progress: ProgressCallback | None = None) -> Validation:
    """Check a submission, a folder or a zip, completely: its files, what it claims, and every video and array; or check a packed result.

    Args:
        path: the submission, or the folder that ``hoibench pack`` has written.
        root: the folder of its data set, for a split that is not shipped with hoibench.
        on_progress: called with the number of predictions that have been read.

    Raises:
        FileNotFoundError: there is no such folder or zip.
        OSError: the archive cannot be unpacked, e.g. because the disk is full.
    """
    if path.is_dir():
        return _validate_pack(path) if is_pack(path) else _validate_folder(path, root, on_progress)
    if not path.is_file() or path.suffix.lower() != ARCHIVE_SUFFIX:
        raise FileNotFoundError(f"{path}: no such folder or {ARCHIVE_SUFFIX} file")
    with tempfile.TemporaryDirectory(prefix="hoibench-") as folder:
        try:
            call_limited(unpack, path, Path(folder), limits=UNPACKING)
        except ProblemsFound as error:
            return Validation(tuple(_readable(problem, path.parent) for problem in error.problems), None, None)
        except LimitExceeded as error:
            return Validation((Problem(path.name, "", str(error), "", "zip fewer files"),), None, None)
        return _validate_folder(find_root(Path(folder)), root, on_progress)


def _validate_folder(folder: Path, root: Path | None, on_progress: ProgressCallback | None) -> Validation:
    layout = read_layout(folder)
    found = list(layout.problems)
    submission = target = None
    try:
        submission = read_submission(folder)
    except ProblemsFound as error:
        found += error.problems
    except (ValueError, OSError) as error:
        found.append(Problem.from_text(str(error)))
    if submission is not None:
        found += find_name_problems(submission)
        try:
            target = find_target(submission.dataset, submission.split, root)
        except (ValueError, OSError) as error:
            found.append(Problem(SUBMISSION_FILE, "split", f"cannot be checked: {error}", "", ""))
        else:
            found += find_coverage_problems(submission, layout.predictions, target)
        found += _find_content_problems(folder, layout.predictions, submission.to_spec(), target, on_progress)
    return Validation(tuple(_readable(problem, folder) for problem in found), submission, layout)


def _validate_pack(folder: Path) -> Validation:
    try:
        found = call_limited(find_pack_problems, folder)
    except LimitExceeded as error:
        found = [Problem(".", "", str(error), "", "publish fewer methods in one pack")]
    return Validation(tuple(_readable(problem, folder) for problem in found), None, None, is_pack=True)


def _find_content_problems(
    folder: Path,
    predictions: Sequence[StoredFolder],
    spec: Spec,
    target: Target | None,
    on_progress: ProgressCallback | None,
) -> list[Problem]:
    grid = None if target is None else target.grid
    found: list[Problem] = []
    digests = []
    with LimitedProcess() as process:
        for number, stored in enumerate(predictions):
            if on_progress is not None:
                on_progress("reading predictions", number, len(predictions))
            try:
                check = process.call(check_prediction, stored.path, spec, folder, grid)
                found += check.problems
                if grid is not None and grid.fps is not None:
                    found += process.call(find_rate_problems, stored.path, grid.fps)
            except LimitExceeded as error:
                found.append(Problem(str(stored.path), "", str(error), "", "write smaller files"))
            except FileNotFoundError as error:
                found.append(Problem.from_text(str(error)))
            else:
                digests.append((stored, dict(check.digests)))
    return [*found, *find_copied_seeds(digests)]


def _readable(problem: Problem, folder: Path) -> Problem:
    """Return a problem whose paths are relative to the submission's folder, without control characters that names of files may have."""
    inside = re.compile(rf"(?<![\w./-]){re.escape(str(folder))}/")  # of "." and "../x", "./" is no part of its own

    def clean(text: str) -> str:
        text = inside.sub("", text)
        return printable(text.replace("\n", " "))

    return Problem(*(clean(getattr(problem, name)) for name in ("file", "where", "found", "expected", "fix")))
