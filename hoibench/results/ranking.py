"""Who may be ranked with whom, and why a number is shown but not ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hoibench.metric_card import Card, Companion
from hoibench.results.run_record import RunMethod
from hoibench.results.scores import ClipScores
from hoibench.results.statistics import leading_group

Array = NDArray[Any]

SEEDS = 3
"""A generative row needs this many to be ranked."""
RECONSTRUCTION = "vto4r"
"""The family that is given the true video, and gives one answer whatever the seed."""


@dataclass(frozen=True)
class Handling:
    """How an entrant's points were paired and scaled in one column; ``mixed`` where rows differ, None for video metrics."""

    pairing: str | None = None
    alignment: str | None = None
    truth: str | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Standing:
    """An entrant's place in one column: in the leading group or not (None where not ranked), the leader or not, or why it is not ranked."""

    tied: bool | None = None
    leader: bool = False
    unranked: str | None = None


def family(method: RunMethod, metric: Card) -> str:
    """The family in which a method competes by a metric: one model may be I2VM for its videos and Ito4G for its motion."""
    fitting = [f for f in method.families if f in metric.families] or list(method.families)
    return fitting[0] if fitting else "unstated"


def rank_class(method: RunMethod, metric: Card, handling: Handling) -> tuple[str, ...]:
    """Entrants are ranked together only where this is equal: family, alignment, and whether points were paired through the truth's projection."""
    oracle = "oracle-projection" if handling.pairing == "oracle-projection" else "own points"
    return family(method, metric), handling.alignment or "none", oracle


def why_unranked(
    method: RunMethod,
    metric: Card,
    region: str,
    scores: ClipScores,
    entrant: int,
    handling: Handling,
    errors: int,
) -> str | None:
    """The first rule that keeps an entrant's number out of the ranking, in words, or None."""
    if method.kind == "reference":
        return "a reference row"
    if metric.direction == "none" or not metric.ranked:
        return "a secondary metric, shown but never ranked"
    if region not in method.regions:
        return f"this method is ranked only in region {' and '.join(method.regions)}"
    if handling.truth == "proxy-hand":
        return "the truth has a proxy hand"
    if "mixed" in (handling.alignment, handling.pairing):
        return "its clips were aligned or paired in different ways"
    if errors:
        return f"the scorer broke on {errors} clip{'s' * (errors > 1)}"
    if not scores.stood_in[entrant]:
        return f"{int(scores.failed[entrant].sum())} failed, and no frozen and random rows to take their place"
    seeds = int(scores.seeds[entrant][scores.seeds[entrant] > 0].min(initial=SEEDS))
    if family(method, metric) != RECONSTRUCTION and seeds < SEEDS:
        return f"{'one seed' if seeds == 1 else f'{seeds} seeds'}; a generative method is ranked with at least {SEEDS}"
    if scores.comparable[entrant].sum() < 2:
        return "fewer than 2 clips"
    return None


def standings(
    scores: ClipScores, classes: list[tuple[str, ...]], unranked: list[str | None], clusters: Array
) -> list[Standing]:
    """Each entrant's standing in one column; a class with a single ranked entrant has no leader.

    Args:
        scores: (M, C) arrays.
        classes: M rank classes.
        unranked: M reasons, None for who is ranked.
        clusters: (C,) object-instance labels.
    """
    found = [Standing(unranked=reason) for reason in unranked]
    for kind in dict.fromkeys(classes):
        members = [m for m, reason in enumerate(unranked) if reason is None and classes[m] == kind]
        if len(members) < 2:
            continue
        best, tied = leading_group(scores.badness[members].T, scores.comparable[members].T, clusters)
        for place, m in enumerate(members):
            found[m] = Standing(tied=bool(tied[place]), leader=place == best)
    return found


def why_grey(motion: Card, moves: float | None, truth_moves: float | None) -> str | None:
    """The reason why a number that standing still would earn says little: by ``motion`` the row moves less than half as much as the truth does."""
    if moves is None or not truth_moves or moves >= truth_moves / 2:
        return None
    return f"hardly moves: {motion.title} {moves:.2f}, the truth's is {truth_moves:.2f}; standing still is consistent"


def why_companion_forbids(
    companion: Companion, scores: ClipScores | None, entrant: int, frozen: int | None
) -> str | None:
    """The reason why a number is shown and not ranked: in the companion metric the row is further from the truth than standing still.

    Args:
        companion: the rule.
        scores: those of the companion metric, or None where the board lacks it.
        entrant: the row in question.
        frozen: the row that holds the first frame, or None.
    """
    name = short_name(companion.metric)
    if scores is None or frozen is None or not scores.comparable[frozen].any():
        return f"no frozen row on {name} to stand against"
    both = scores.comparable[entrant] & scores.comparable[frozen]
    if not both.any():
        return f"no clip with {name} that frozen has too"
    if scores.badness[entrant][both].mean() > scores.badness[frozen][both].mean():
        return f"its {name} is worse than frozen's: {companion.why}"
    return None


def short_name(metric: str) -> str:
    """A metric id without its version."""
    return metric.partition("@")[0]
