"""What is not of the download itself: MANO's files, a mirror's own verdicts, the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hoibench.datasets.taco.doctor.calibration_reviews import CalibrationReview, read_reviews
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import INFO_FILE, read_hand_model
from hoibench.datasets.taco.hand.hand_models import choose_hand_model, truth_kind
from hoibench.problems import Problem

_LEAST_FREE = 1 << 30


def check_environment(context: DiagnosticContext) -> Iterator[Check]:
    """The checks of this module."""
    yield _hand_model(context)
    yield _verdicts(context)
    yield _cache(context)


def _hand_model(context: DiagnosticContext) -> Check:
    try:
        wanted = read_hand_model(context.root)
        truth = truth_kind(wanted, choose_hand_model(wanted, context.mano))
    except (ValueError, OSError) as error:
        fix = "give the folder of MANO_LEFT and MANO_RIGHT: --mano DIR, or HOIBENCH_MANO"
        problem = Problem(str(context.mano or "HOIBENCH_MANO"), "", str(error), "", fix)
        return Check("mano", "the hand model cannot be used", "problem", 1, (problem,), fix)
    if truth != "proxy-hand":
        return Check("mano", f"hands take the model {wanted}, truth is {truth!r}", "ok", 1)
    title = "no MANO files are given: truth will be 'proxy-hand', and rows are never ranked"
    fix = "download MANO from mano.is.tue.mpg.de and give its folder: --mano DIR, or HOIBENCH_MANO"
    return Check("mano", title, "warning", 1, fix=fix)


def _verdicts(context: DiagnosticContext) -> Check:
    path = context.root / INFO_FILE
    found = Findings()
    reviews: dict[str, CalibrationReview] = {}
    if path.is_file():
        with found.catch(path):
            reviews = read_reviews(path)
    for key in sorted(reviews.keys() & context.wanted):
        review = reviews[key]
        if review.status not in ("", "good") or review.bad_cameras:
            cameras = f", bad cameras {', '.join(review.bad_cameras)}" if review.bad_cameras else ""
            found.add(key, f"calib_status {review.status!r}{cameras}")
    return found.check(
        "verdicts",
        f"{INFO_FILE} calls sequences bad, or is broken",
        f"{INFO_FILE} calls all sequences good",
        "look at them before you trust their rows; nothing is left out for it",
        looked_at=len(reviews),
        status="warning",
    )


def _cache(context: DiagnosticContext) -> Check:
    there = context.cache
    while not there.exists():
        there = there.parent
    fix = "free space there, or set HOIBENCH_CACHE to a folder that can be written"
    if not _writable(there):
        return Check("cache", f"{context.cache} cannot be written", "problem", 1, fix=fix)
    free = shutil.disk_usage(there).free
    title = f"{context.cache} can be written, {free / 1e9:.1f} GB are free"
    return Check("cache", title, "ok" if free >= _LEAST_FREE else "warning", 1, fix="" if free >= _LEAST_FREE else fix)


def _writable(folder: Path) -> bool:
    try:
        # Asked by doing it: permissions do not tell of a file system mounted read-only.
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
