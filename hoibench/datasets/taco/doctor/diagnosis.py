"""The function that runs all checks on a TACO download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.doctor.annotations import check_annotations
from hoibench.datasets.taco.doctor.cameras import check_cameras
from hoibench.datasets.taco.doctor.context import CheckedCallback, DiagnosticContext
from hoibench.datasets.taco.doctor.environment import check_environment
from hoibench.datasets.taco.doctor.listing import list_download
from hoibench.datasets.taco.doctor.presence import check_presence
from hoibench.datasets.taco.doctor.report import Check, Diagnosis, sort_checks
from hoibench.datasets.taco.doctor.sequences import check_sequences
from hoibench.datasets.taco.doctor.videos import check_videos
from hoibench.problems import Problem
from hoibench.progress import ProgressCallback
from hoibench.store.atomic import WriteError
from hoibench.store.cache_dir import cache_dir

SAMPLE = 8

CHECKS: tuple[Callable[[DiagnosticContext], Iterator[Check]], ...] = (
    check_presence,
    check_annotations,
    check_cameras,
    check_videos,
    check_sequences,
    check_environment,
)
"""Functions that yield checks, in order of importance."""


def diagnose(
    root: Path,
    lines: Iterable[SplitLine] = (),
    *,
    mano: Path | None = None,
    cache: Path | None = None,
    deep: bool = False,
    sample: int = SAMPLE,
    on_progress: ProgressCallback = lambda stage, done, total: None,
    on_checked: CheckedCallback = lambda checked, findings: None,
) -> Diagnosis:
    """Find missing, damaged and inconsistent files in a TACO download, without writing to it, and return all checks with their problems.

    Checks names, file headers, calibrations and object poses of all sequences, and complete videos, hand poses, meshes and the checks that
    preparation holds, too, of a sample.

    Args:
        root: the folder with the unpacked zips.
        lines: lines of a split, one per clip, to check for.
        mano: the folder of MANO's files; by default, $HOIBENCH_MANO.
        cache: the folder whose free space is checked; by default, the cache folder.
        deep: run the costly checks on all sequences, not on a sample.
        sample: number of sequences for the costly checks if not ``deep``.
        on_progress: called before each step with (stage, done, total).
        on_checked: called with each sequence of the sample whose files could be read, and what the checks of it found.

    Raises:
        FileNotFoundError: the root is not a folder.
        WriteError: raised by ``on_checked``.
    """
    listing = list_download(root)
    context = DiagnosticContext(
        listing, tuple(lines), mano, cache or cache_dir(), deep, sample, on_progress, on_checked
    )
    checks = [check for group in CHECKS for check in _run(group, context)]
    return Diagnosis(root, listing.inventory, sort_checks(checks))


def _run(group: Callable[[DiagnosticContext], Iterator[Check]], context: DiagnosticContext) -> Iterator[Check]:
    try:
        yield from group(context)
    except WriteError:
        raise
    except Exception as error:
        # Report an unexpected error as a problem, and continue with the other groups.
        name = group.__name__.removeprefix("check_")
        text = f"{type(error).__name__}: {error}"
        problem = Problem(str(context.root), "", text, "", "report this as a bug")
        yield Check(name, f"the checks of {name} crashed", "problem", 1, (problem,), problem.fix)
