"""Rules of ranking, one by one, on handmade scores."""

import re
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from hoibench.results.clip_scores import ClipScores
from hoibench.results.ranking import (
    ScoringConditions,
    competing_family,
    rank_column,
    ranking_class,
    why_unranked,
)
from hoibench.results.run_record import RunMethod

OURS = RunMethod(id="ours", name="Ours", kind="method", families=("i2vm", "ito4g"))
VIDEO = SimpleNamespace(id="v@1", title="V", families=("i2v", "i2vm", "v2v"), is_ranked=True, ranked_with_truth=True)
MOTION = SimpleNamespace(id="m@1", title="M", families=("ito4g", "vto4r"), is_ranked=True, ranked_with_truth=True)
OWN = ScoringConditions(pairing="query", alignment="none")


def scores(values, seeds=3, failed=(), present=None):
    """Scores of (M, C) values; ``failed`` lists (row, clip)."""
    values = np.asarray(values, float)
    mask = np.ones(values.shape, bool) if present is None else np.asarray(present, bool)
    failures = np.zeros(values.shape, int)
    for index in failed:
        failures[index] += 1
    many = np.broadcast_to(np.asarray(seeds), values.shape)
    return ClipScores(
        value=values, has_value=mask, cost=values, has_cost=mask, own_value=values, has_own_value=mask, own_cost=values,
        has_own_cost=mask, own_detail=values, failed_seeds=failures, seeds=many, seed_variance=np.zeros(values.shape),
        capped=np.ones(len(values), bool),
    )  # fmt: skip


def reason(method=OURS, card=MOTION, region="full", of=None, conditions=OWN, errors=0):
    return why_unranked(method, card, region, scores([[1.0, 2.0, 3.0]]) if of is None else of, 0, conditions, errors)


def test_a_method_competes_in_the_family_that_the_metric_ranks():
    assert (competing_family(OURS, VIDEO), competing_family(OURS, MOTION)) == ("i2vm", "ito4g")
    assert competing_family(OURS.model_copy(update={"families": ("i2v",)}), MOTION) == "i2v"  # it has no other
    assert (
        competing_family(OURS.model_copy(update={"families": ("vto4r", "v2v", "i2v")}), VIDEO) == "v2v"
    )  # the first of several
    assert competing_family(OURS.model_copy(update={"families": ()}), MOTION) == "unstated"


def test_points_paired_through_the_truth_have_a_class_of_their_own():
    own = ranking_class(OURS, MOTION, OWN)
    assert own == ("ito4g", "none", "own points")
    assert ranking_class(OURS, MOTION, replace(OWN, pairing="anchor")) == own
    assert ranking_class(OURS, MOTION, replace(OWN, pairing="oracle-projection")) == (
        "ito4g",
        "none",
        "oracle-projection",
    )
    assert ranking_class(OURS, MOTION, replace(OWN, alignment="shared")) == ("ito4g", "shared", "own points")
    assert ranking_class(OURS, MOTION, replace(OWN, alignment="scale_shift")) == ("ito4g", "scale_shift", "own points")
    assert ranking_class(OURS, VIDEO, ScoringConditions()) == ("i2vm", "none", "own points")


def test_a_method_with_three_seeds_a_clip_is_ranked():
    assert reason() is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": OURS.model_copy(update={"kind": "reference"})}, "a reference row"),
        ({"card": SimpleNamespace(**vars(MOTION) | {"is_ranked": False})}, "secondary metrics are never ranked"),
        ({"method": OURS.model_copy(update={"regions": ("fg",)})}, "only in region fg"),
        ({"conditions": replace(OWN, truth="proxy-hand")}, "the truth has a proxy hand"),
        ({"conditions": replace(OWN, alignment="mixed")}, "in different ways"),
        ({"conditions": replace(OWN, pairing="mixed")}, "in different ways"),
        ({"errors": 1}, "scoring raised an error on 1 clip$"),
        ({"errors": 2}, "scoring raised an error on 2 clips"),
        ({"of": scores([[1.0, 2.0, 3.0]], seeds=1)}, "1 seed; .* at least 3"),
        ({"of": scores([[1.0, 2.0, 3.0]], seeds=[[3, 2, 3]])}, "2 seeds;"),  # the clip with the fewest decides
        ({"of": scores([[1.0, 2.0, 3.0]], present=[[True, False, False]])}, "fewer than 2 clips"),
    ],
)
def test_the_first_rule_that_forbids_a_rank_is_the_reason(change, words):
    assert re.search(words, reason(**change))


def test_failures_without_a_cap_are_counted_in_clips():
    of = replace(scores([[1.0, 2.0, 3.0]], failed=[(0, 0), (0, 2)]), capped=np.array([False]))
    assert reason(of=of) == "2 clips failed, and no row says what a failed clip scores"


def test_a_row_with_more_than_half_of_its_clips_failed_is_not_ranked():
    thrice = [(0, 0)] * 3 + [(0, 1)] * 3
    assert reason(of=scores([[1.0, 2.0, 3.0, 4.0]], failed=thrice)) is None
    assert reason(of=scores([[1.0, 2.0, 3.0, 4.0]], failed=[*thrice, (0, 2)])) == "more than half of its clips failed"


def test_a_row_with_values_on_less_than_half_of_the_clips_is_not_ranked():
    """Whether the others failed, or have no value for another reason; clips on which no row has a value do not count."""
    truth, unavailable = [True] * 6 + [False] * 3, [False] * 9

    def with_values(n):
        return scores([np.arange(9.0), np.arange(9.0)], present=[[*truth[:n], *unavailable[n:]], truth])

    assert reason(of=with_values(3)) is None
    assert reason(of=with_values(2)) == "values on 2 of 6 clips"


def test_a_row_whose_value_cannot_be_compared_with_the_truth_is_not_ranked():
    of = replace(scores([[1.0, 2.0, 3.0]]), has_own_cost=np.array([[True, False, True]]))
    assert reason(of=of) == "no truth to compare its value with on 1 clip"


def test_clips_without_a_seed_do_not_count_as_too_few_seeds():
    assert reason(of=scores([[1.0, 2.0, 3.0]], seeds=[[3, 0, 4]])) is None


def test_only_a_method_without_video_output_is_a_reconstruction_with_one_seed():
    one_seed = scores([[1.0, 2.0]], seeds=1)
    method = OURS.model_copy(update={"families": ("vto4r",), "outputs": ("video", "tracks")})
    assert reason(method=method, of=one_seed).startswith("1 seed; a generative method")
    assert reason(method=method.model_copy(update={"outputs": ("tracks",)}), of=one_seed) is None


def test_a_method_that_is_shown_to_be_deterministic_needs_one_seed():
    claims = OURS.model_copy(update={"deterministic": True})
    arguments = claims, MOTION, "full", scores([[1.0, 2.0]], seeds=1), 0, OWN, 0
    assert why_unranked(*arguments, is_deterministic=True) is None
    assert "claims to be deterministic, but" in why_unranked(*arguments)


def test_a_reconstruction_needs_one_seed_and_two_clips():
    method = OURS.model_copy(update={"families": ("vto4r",)})
    assert reason(method=method, of=scores([[1.0, 2.0]], seeds=1)) is None
    assert reason(method=method, of=scores([[1.0]], seeds=1)) == "fewer than 2 clips"


def test_rows_are_compared_within_their_class_without_unranked_rows():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=60)
    table = np.stack([hard + offset + 0.1 * rng.normal(size=60) for offset in (1.0, 0.0, 0.0, -5.0, -9.0, 2.0)])
    classes = [("a",), ("a",), ("a",), ("b",), ("a",), ("a",)]
    unranked = [None, None, None, None, "one seed", None]
    ranking = rank_column(scores(table), classes, unranked, np.arange(60))
    found = ranking.standings
    assert [(test.first, test.second) for test in ranking.tests] == list(combinations((0, 1, 2, 5), 2))
    assert all(test.is_separated for test in ranking.tests if test.first == 0)
    assert [test.difference for test in ranking.tests if test.first == 0] == [
        pytest.approx(table[0].mean() - table[m].mean()) for m in (1, 2, 5)
    ]
    assert [standing.in_leading_group for standing in found] == [False, True, True, None, None, False]
    assert sum(standing.is_leader for standing in found) == 1 and (found[1].is_leader or found[2].is_leader)
    assert [standing.unranked for standing in found] == unranked
    leader = next(m for m, standing in enumerate(found) if standing.is_leader)
    differences = [standing.to_leader and standing.to_leader.difference for standing in found]
    assert differences == [
        None if m in (leader, 3, 4) else pytest.approx(table[m].mean() - table[leader].mean()) for m in range(6)
    ]


def test_a_metric_may_be_ranked_only_without_truth():
    count = SimpleNamespace(**vars(VIDEO) | {"ranked_with_truth": False})
    assert reason(card=count) is None
    assert reason(card=count, conditions=replace(OWN, truth="taco")) == "ranked only on clips without truth"
    assert reason(card=VIDEO, conditions=replace(OWN, truth="taco")) is None
