"""Checks of the claims in submission.toml: names that belong to others, and a split that is not the released one."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from hoibench.methods.registry import check_not_reserved, installed_specs
from hoibench.plugins import is_built_in
from hoibench.problems import Problem
from hoibench.reference_rows import REFERENCES
from hoibench.submissions.layout import StoredFolder
from hoibench.submissions.submission import SUBMISSION_FILE, Submission
from hoibench.submissions.target import Target
from hoibench.text import count

_MAX_LISTED = 3


def find_name_problems(submission: Submission) -> Iterator[Problem]:
    """Yield the names of a submission that belong to the benchmark."""
    built_in = {
        spec.id: spec for spec in installed_specs().values() if is_built_in(spec.entry) or spec.status == "unreleased"
    }
    try:
        check_not_reserved(f"{SUBMISSION_FILE}: name", submission.name)
    except ValueError as error:
        yield Problem.from_text(str(error))
    fix = "choose a name of your own"
    if submission.name in built_in:
        yield Problem(SUBMISSION_FILE, "name", f"is {submission.name!r}, a method of the benchmark", "", fix)
    titles = {_normalized(title) for title in (*REFERENCES.values(), *(spec.title for spec in built_in.values()))}
    if _normalized(submission.title) in titles:
        yield Problem(SUBMISSION_FILE, "title", f"is {submission.title!r}, a row of the benchmark", "", fix)
    for key in ("seeds", "outputs", "families"):
        values = getattr(submission, key)
        if len(set(values)) != len(values):
            yield Problem(SUBMISSION_FILE, key, f"is {list(values)}", "each value once", "")


def _normalized(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def find_coverage_problems(
    submission: Submission, predictions: Sequence[StoredFolder], target: Target
) -> Iterator[Problem]:
    """Yield a problem if the split's hash is another one, and for each seed whose clips are not those of the split."""
    manifest = target.manifest
    if submission.split_id != manifest.split_id:
        found = f"is {submission.split_id!r}, not that of {submission.split}"
        yield Problem(SUBMISSION_FILE, "split_id", found, repr(manifest.split_id), "predict the clips of this split")
    wanted = {entry.id for entry in manifest.entries}
    seeds = {stored.seed for stored in predictions}
    if seeds and seeds != {None} and seeds != set(submission.seeds):
        found = ", ".join(f"seed-{seed}" for seed in sorted(seed for seed in seeds if seed is not None))
        yield Problem(
            SUBMISSION_FILE, "seeds", f"is {list(submission.seeds)}", found or "one seed", "name the folders' seeds"
        )
    if seeds == {None} and len(submission.seeds) > 1:
        fix = "put the clips of each seed into its folder seed-S, or name one seed"
        yield Problem(SUBMISSION_FILE, "seeds", f"is {list(submission.seeds)}", "one seed without folders seed-S", fix)
    if not predictions:
        yield Problem(".", "", "has no predictions", "CLIP/view-0.mp4 and CLIP/tracks.npz, or seed-S/CLIP/...", "")
    for seed in sorted(seeds, key=lambda seed: -1 if seed is None else seed):
        place = "." if seed is None else f"seed-{seed}"
        clips = {stored.clip for stored in predictions if stored.seed == seed}
        if missing := sorted(wanted - clips):
            yield Problem(place, "", f"lacks {len(missing)} of {count(len(wanted), 'clip')} ({_list(missing)})", "", "")
        if unknown := sorted(clips - wanted):
            fix = "remove them"
            yield Problem(
                place, "", f"has {count(len(unknown), 'clip')} ({_list(unknown)}) not in {manifest.split}", "", fix
            )


def find_copied_seeds(digests: Sequence[tuple[StoredFolder, dict[str, str]]]) -> Iterator[Problem]:
    """Yield a problem for each pair of seeds with identical videos or points; they would count as one seed.

    Args:
        digests: each prediction with the digests of its outputs.
    """
    first: dict[tuple[str, str, str], int | None] = {}
    copies: Counter[tuple[int | None, int | None, str]] = Counter()
    for stored, of_outputs in digests:
        for group, digest in of_outputs.items():
            origin = first.setdefault((stored.clip, group, digest), stored.seed)
            if origin != stored.seed:
                copies[stored.seed, origin, group] += 1
    for (seed, origin, group), clips in sorted(copies.items()):
        found = f"repeats {group} of seed-{origin} in {count(clips, 'clip')}"
        yield Problem(f"seed-{seed}", "", found, "", "hand in predictions of another seed, or fewer seeds")


def _list(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MAX_LISTED} more"] if len(names) > _MAX_LISTED else []
    return ", ".join([*names[:_MAX_LISTED], *more])
