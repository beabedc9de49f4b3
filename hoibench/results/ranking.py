"""Rules of ranking: which rows of a board compete in a column, and why a number is shown but not ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hoibench.clip import Array
from hoibench.metric_card import Card
from hoibench.results.clip_scores import ClipScores
from hoibench.results.run_record import RunMethod
from hoibench.results.significance import PairedTest, compare_pairs, leading_group
from hoibench.text import count

MIN_SEEDS = 3
"""Number of seeds that a generative method needs to be ranked."""
MAX_FAILED = 0.5
"""Largest share of failed clips (a clip counts by its share of failed seeds) of a ranked row."""
MIN_ANSWERED = 0.5
"""Smallest share of clips with a value of a ranked row, among the clips on which any row has one."""
RECONSTRUCTION = "vto4r"
"""The family that sees the true video; without video output, its predictions need one seed only."""
REFERENCE_ROW = "a reference row"
SECONDARY_METRIC = "secondary metrics are never ranked"


@dataclass(frozen=True)
class ScoringConditions:
    """The conditions under which a cell (a method on a metric) was scored.

    Attributes:
        pairing, alignment: how predicted points were paired with true ones and scaled to them; ``mixed`` if clips differ, None for video metrics.
        truth: the origin of the truth; ``proxy-hand`` if that of any clip is.
        coverage: mean share of true points that have a prediction; None for video metrics.
    """

    pairing: str | None = None
    alignment: str | None = None
    truth: str | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Standing:
    """The rank of a row (method) in one column (metric).

    Attributes:
        in_leading_group: true if not separable from the best row of its class; None if it was not compared with others.
        is_leader: true for the best of at least two rows of a class.
        unranked: the reason why the row is not ranked, or None.
        to_leader: comparison of this row's cost (first) with that of the class's leader (second); None for the leader and without one.
    """

    in_leading_group: bool | None = None
    is_leader: bool = False
    unranked: str | None = None
    to_leader: PairedTest | None = None

    @property
    def mark(self) -> str:
        """``leader`` for the best of its class, ``tied`` for a row that is not separable from it, else empty."""
        return "leader" if self.is_leader else "tied" if self.in_leading_group else ""


@dataclass(frozen=True)
class ColumnRanking:
    """The ranking of one column (metric).

    Attributes:
        standings: of the M rows.
        tests: the comparisons of all pairs of ranked rows of one class, whose ``first`` and ``second`` are row indices.
    """

    standings: tuple[Standing, ...]
    tests: tuple[PairedTest, ...]


def competing_family(method: RunMethod, card: Card) -> str:
    """Return the family in which a method competes on a metric: its first that the metric ranks, else its first; ``unstated`` without families.

    One model may be ``i2vm`` for its videos and ``ito4g`` for its motion.
    """
    matching = [family for family in method.families if family in card.families] or list(method.families)
    return matching[0] if matching else "unstated"


def ranking_class(method: RunMethod, card: Card, conditions: ScoringConditions) -> tuple[str, ...]:
    """Return the class whose rows are ranked against each other: (family, alignment, ``oracle-projection`` or ``own points``).

    ``oracle-projection`` means that points were read from a point map at the true points' pixels.
    """
    points = "oracle-projection" if conditions.pairing == "oracle-projection" else "own points"
    return competing_family(method, card), conditions.alignment or "none", points


def why_unranked(
    method: RunMethod,
    card: Card,
    region: str,
    scores: ClipScores,
    row: int,
    conditions: ScoringConditions,
    errors: int,
    *,
    is_deterministic: bool = False,
) -> str | None:
    """Return the first reason not to rank a row (method) in a column (metric), or None.

    Args:
        method: the row's method.
        card: the column's metric.
        region: the column's region.
        scores: the column's scores.
        row: the row's index.
        conditions: the cell's conditions.
        errors: number of clips on which scoring raised an error.
        is_deterministic: true if two seeds showed that the seed does not change the row's predictions, so that one is enough.
    """
    if method.kind == "reference":
        return REFERENCE_ROW
    if not card.is_ranked:
        return SECONDARY_METRIC
    if not card.ranked_with_truth and conditions.truth is not None:
        return "ranked only on clips without truth"
    if region not in method.regions:
        return f"this method is ranked only in region {' and '.join(method.regions)}"
    if conditions.truth == "proxy-hand":
        return "the truth has a proxy hand"
    if "mixed" in (conditions.alignment, conditions.pairing):
        return "its clips were aligned or paired in different ways"
    if errors:
        return f"scoring raised an error on {count(errors, 'clip')}"
    failed = scores.failed_seeds[row] > 0
    if not scores.capped[row]:
        return f"{count(int(failed.sum()), 'clip')} failed, and no row says what a failed clip scores"
    answered = scores.seeds[row] > 0
    if failed.any() and (scores.failed_seeds[row][answered] / scores.seeds[row][answered]).mean() > MAX_FAILED:
        return "more than half of its clips failed"
    defined = int(scores.has_own_value.any(axis=0).sum())
    own = int(scores.has_own_value[row].sum())
    if own < MIN_ANSWERED * defined:
        return f"values on {own} of {count(defined, 'clip')}"
    without_cost = scores.has_own_value[row] & ~scores.has_own_cost[row]
    if without_cost.any():
        return f"no truth to compare its value with on {count(int(without_cost.sum()), 'clip')}"
    seeds = int(scores.seeds[row][scores.seeds[row] > 0].min(initial=MIN_SEEDS))
    needs_seeds = "video" in method.outputs or competing_family(method, card) != RECONSTRUCTION
    if needs_seeds and seeds < MIN_SEEDS and not is_deterministic:
        reason = f"{count(seeds, 'seed')}; a generative method needs at least {MIN_SEEDS} to be ranked"
        claim = "; it claims to be deterministic, but no two seeds with the same prediction show it"
        return reason + claim if method.deterministic else reason
    if scores.has_cost[row].sum() < 2:
        return "fewer than 2 clips"
    return None


def rank_column(
    scores: ClipScores, classes: list[tuple[str, ...]], unranked: list[str | None], clusters: Array
) -> ColumnRanking:
    """Rank the M rows of one column; a class with a single ranked row has no leader.

    Args:
        scores: the column's scores of M rows on C clips.
        classes: the M rows' classes; only rows of one class are ranked against each other.
        unranked: the M reasons not to rank a row, None for a ranked row.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
    """
    standings = [Standing(unranked=reason) for reason in unranked]
    all_tests: list[PairedTest] = []
    for ranking in dict.fromkeys(classes):
        members = [m for m, reason in enumerate(unranked) if reason is None and classes[m] == ranking]
        if len(members) < 2:
            continue
        tests = compare_rows(scores, members, clusters)
        all_tests += [replace(test, first=members[test.first], second=members[test.second]) for test in tests]
        best, tied = leading_group(scores.cost[members].T, scores.has_cost[members].T, tests)
        to_leader = {test.first: test for test in tests if test.second == best}
        to_leader |= {test.second: test.reversed() for test in tests if test.first == best}
        for n, m in enumerate(members):
            standings[m] = Standing(in_leading_group=bool(tied[n]), is_leader=n == best, to_leader=to_leader.get(n))
    return ColumnRanking(tuple(standings), tuple(all_tests))


def compare_rows(scores: ClipScores, rows: Sequence[int], clusters: Array) -> list[PairedTest]:
    """Compare the costs of every pair of some rows of a column; the tests' indices are places in ``rows``, see ``compare_pairs``.

    A row without any value of its own, which has caps alone, shares no clips with the others.
    """
    chosen = list(rows)
    return compare_pairs(
        scores.cost[chosen].T,
        (scores.has_cost & scores.is_answered[:, None])[chosen].T,
        clusters,
        scores.own_cost[chosen].T,
        scores.has_own_cost[chosen].T,
    )
