"""Checks of MANO's files, of a mirror's calibration reviews and of the cache folder."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.doctor.calibration_reviews import CalibrationReview, read_reviews
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import INFO_FILE, read_hand_model
from hoibench.datasets.taco.hand.hand_models import choose_hand_model, truth_kind
from hoibench.problems import Problem
from hoibench.store.atomic import find_folder_problem, free_bytes

_LEAST_FREE = 1 << 30


def check_environment(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks of MANO's files, of the calibration reviews in taco_info.csv, and of the cache folder's free space."""
    yield _hand_model(context)
    yield _calibration_reviews(context)
    yield _cache(context)


def _hand_model(context: DiagnosticContext) -> Check:
    try:
        model_name = read_hand_model(context.root)
        truth = truth_kind(model_name, choose_hand_model(model_name, context.mano))
    except (ValueError, OSError) as error:
        fix = "give the folder of MANO_LEFT and MANO_RIGHT: --mano DIR, or HOIBENCH_MANO"
        problem = Problem(str(context.mano or "HOIBENCH_MANO"), "", str(error), "", fix)
        return Check("mano", "the hand model cannot be used", "problem", 1, (problem,), fix)
    if truth != "proxy-hand":
        return Check("mano", f"the hand model is {model_name}, truth is {truth!r}", "ok", 1)
    title = "MANO files are missing: truth will be 'proxy-hand', and rows are never ranked"
    fix = "download MANO from mano.is.tue.mpg.de and give the folder: --mano DIR, or HOIBENCH_MANO"
    return Check("mano", title, "warning", 1, fix=fix)


def _calibration_reviews(context: DiagnosticContext) -> Check:
    path = context.root / INFO_FILE
    found = Findings()
    reviews: dict[str, CalibrationReview] = {}
    if path.is_file():
        with found.catch(path):
            reviews = read_reviews(path)
    for key in sorted(reviews.keys() & context.wanted):
        if reviews[key].is_bad:
            found.add(key, str(reviews[key]))
    return found.to_check(
        "calibration-reviews",
        f"{INFO_FILE} lists bad sequences, or is damaged",
        f"{INFO_FILE} lists only good sequences",
        "inspect these sequences before trusting their rows; --suspects FILE lists those that were checked, for --exclude FILE of runs",
        checked=len(reviews),
        status="warning",
    )


def _cache(context: DiagnosticContext) -> Check:
    fix = "free space on that disk, or set HOIBENCH_CACHE to a writable folder"
    if reason := find_folder_problem(context.cache):
        return Check("cache", f"{context.cache} {reason}", "problem", 1, fix=fix)
    free = free_bytes(context.cache)
    title = f"{context.cache} is writable, with {free / 1e9:.1f} GB free"
    return Check("cache", title, "ok" if free >= _LEAST_FREE else "warning", 1, fix="" if free >= _LEAST_FREE else fix)
