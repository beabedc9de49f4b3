"""Who may be ranked with whom, and why a number is shown but not ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from hoibench.results.run_record import RunMethod
from hoibench.results.scores import ClipScores, Direction
from hoibench.results.statistics import leading_group

Array = NDArray[Any]

SEEDS = 3
"""A generative row needs this many to be ranked."""
GROUPS = ("video/single-view", "video/multi-view", "motion/single-view", "motion/multi-view")
CEILING = ("ground_truth", "gt_shuffled", "gt_noise_1cm", "gt_scaled_0.9")
"""Reference rows made from the truth; the others (frozen, random) are a floor."""
VIDEO_FAMILIES = ("i2v", "i2vm", "v2v")
MOTION_FAMILIES = ("ito4g", "vto4r")
RECONSTRUCTION = "vto4r"
CONSISTENCY = ("subject_consistency", "matching_pixels", "matching_pixels_rel", "clip_views")
"""Metrics that reward standing still; greyed where a row hardly moves."""


class MetricFacts(Protocol):
    """What the board must know of a metric: a metric card has it all."""

    @property
    def id(self) -> str:
        """The metric's id, with version."""

    @property
    def title(self) -> str:
        """The column's name."""

    @property
    def group(self) -> str:
        """Where the column stands, e.g. ``motion/multi-view``."""

    @property
    def unit(self) -> str:
        """The value's unit."""

    @property
    def direction(self) -> Direction:
        """Which way is better."""

    @property
    def ranked(self) -> bool:
        """Whether it may order methods."""


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


def stem(metric: str) -> str:
    """A metric id without implementation and version: ``matching_pixels`` for ``matching_pixels/sift-mnn@1``."""
    return metric.partition("@")[0].partition("/")[0]


def family(method: RunMethod, group: str) -> str:
    """The family in which a method competes for metrics of ``group``: one model may be I2VM for its videos and Ito4G for its motion."""
    wanted = VIDEO_FAMILIES if group.startswith("video") else MOTION_FAMILIES
    fitting = [f for f in method.families if f in wanted] or list(method.families)
    return fitting[0] if fitting else "unstated"


def rank_class(method: RunMethod, group: str, handling: Handling) -> tuple[str, ...]:
    """Entrants are ranked together only where this is equal: family, alignment, and whether points were paired through the truth's projection."""
    oracle = "oracle-projection" if handling.pairing == "oracle-projection" else "own points"
    return family(method, group), handling.alignment or "none", oracle


def why_unranked(
    method: RunMethod,
    metric: MetricFacts,
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
    if family(method, metric.group) != RECONSTRUCTION and seeds < SEEDS:
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


def why_grey(metric: MetricFacts, dynamic_degree: float | None, truth_dynamic_degree: float | None) -> str | None:
    """Why a consistency number says little: the row moves less than half as often as the truth does."""
    if stem(metric.id) not in CONSISTENCY or dynamic_degree is None or not truth_dynamic_degree:
        return None
    if dynamic_degree >= truth_dynamic_degree / 2:
        return None
    return f"hardly moves: dynamic degree {dynamic_degree:.2f}, the truth's is {truth_dynamic_degree:.2f}; standing still is consistent"


def why_agreement_misleads(agreement: ClipScores | None, entrant: int, frozen: int | None) -> str | None:
    """Why agreement among views (``xv_*``) is not ranked: the views may agree on something that is further from the truth than standing still.

    Args:
        agreement: scores of ``mv_rpe_scene``, or None where the board lacks them.
        entrant: who is asked about.
        frozen: the entrant that holds the first frame, or None.
    """
    if agreement is None or frozen is None or not agreement.comparable[frozen].any():
        return "no frozen row on mv_rpe_scene to stand against"
    both = agreement.comparable[entrant] & agreement.comparable[frozen]
    if agreement.badness[entrant][both].mean() > agreement.badness[frozen][both].mean():
        return "its mv_rpe_scene exceeds frozen's: views may agree and be wrong alike"
    return None
