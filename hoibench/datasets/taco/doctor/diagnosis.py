"""All checks on one download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.doctor.annotations import check_annotations
from hoibench.datasets.taco.doctor.cameras import check_cameras
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.environment import check_environment
from hoibench.datasets.taco.doctor.listing import list_tree
from hoibench.datasets.taco.doctor.presence import check_presence
from hoibench.datasets.taco.doctor.report import STATUSES, Check, Diagnosis
from hoibench.datasets.taco.doctor.videos import check_videos
from hoibench.problems import Problem
from hoibench.progress import ProgressCallback
from hoibench.store.cache_dir import cache_dir

SAMPLE = 8

_CHECKS: tuple[Callable[[DiagnosticContext], Iterator[Check]], ...] = (
    check_presence,
    check_annotations,
    check_cameras,
    check_videos,
    check_environment,
)
"""In order of importance."""


def diagnose(
    root: Path,
    lines: Iterable[SplitLine] = (),
    *,
    mano: Path | None = None,
    cache: Path | None = None,
    deep: bool = False,
    sample: int = SAMPLE,
    on_progress: ProgressCallback = lambda stage, done, total: None,
) -> Diagnosis:
    """What is missing in a download of TACO and what disagrees; nothing is written to it, and no fault in it stops the others from being found.

    Names, heads of files and calibrations are looked at in all sequences; whole videos, hand poses, meshes and projection in a sample.

    Args:
        root: the folder that the zips were unpacked in.
        lines: clips of a split that are wanted.
        mano: the folder of MANO's files, by default $HOIBENCH_MANO.
        cache: where prepared clips will go, by default the cache.
        deep: look at everything in every sequence.
        sample: how many sequences costly checks look at otherwise.
        on_progress: called before each step with (stage, done, total).

    Raises:
        FileNotFoundError: the root is no folder.
    """
    listing = list_tree(root)
    context = DiagnosticContext(listing, tuple(lines), mano, cache or cache_dir(), deep, sample, on_progress)
    checks = [check for group in _CHECKS for check in _run(group, context)]
    return Diagnosis(root, listing.inventory, tuple(sorted(checks, key=lambda check: STATUSES.index(check.status))))


def _run(group: Callable[[DiagnosticContext], Iterator[Check]], context: DiagnosticContext) -> Iterator[Check]:
    try:
        yield from group(context)
    except Exception as error:
        # What nobody foresaw is a finding as well; the checks of the group that came before it stand.
        name = group.__name__.removeprefix("check_")
        text = f"{type(error).__name__}: {error}"
        problem = Problem(str(context.root), "", text, "", "report this")
        yield Check(name, f"the checks of {name} could not be finished", "problem", 1, (problem,), problem.fix)
