"""Who is ranked with whom, who is not ranked and why: rule by rule, on scores by hand."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hoibench.metric_card import Companion
from hoibench.results.ranking import (
    Handling,
    family,
    rank_class,
    standings,
    why_companion_forbids,
    why_grey,
    why_unranked,
)
from hoibench.results.run_record import RunMethod
from hoibench.results.scores import ClipScores

OURS = RunMethod(id="ours", name="Ours", kind="method", families=("i2vm", "ito4g"))
VIDEO = SimpleNamespace(id="v@1", title="V", families=("i2v", "i2vm", "v2v"), direction="lower", ranked=True)
MOTION = SimpleNamespace(id="m@1", title="M", families=("ito4g", "vto4r"), direction="lower", ranked=True)
OWN = Handling(pairing="query", alignment="none")


def scores(values, seeds=3, failed=(), present=None):
    """Scores of (M, C) values, all clips comparable; ``failed`` holds (entrant, clip)."""
    values = np.asarray(values, float)
    there = np.ones(values.shape, bool) if present is None else np.asarray(present, bool)
    broken = np.zeros(values.shape, bool)
    for place in failed:
        broken[place] = True
    many = np.broadcast_to(np.asarray(seeds), values.shape)
    return ClipScores(
        value=values, present=there, badness=values, comparable=there, clean=values, scored=there, failed=broken,
        stood_in=np.ones(len(values), bool), seeds=many,
    )  # fmt: skip


def reason(method=OURS, metric=MOTION, region="full", of=None, handling=OWN, errors=0):
    return why_unranked(method, metric, region, scores([[1.0, 2.0, 3.0]]) if of is None else of, 0, handling, errors)


def test_a_method_competes_in_the_family_that_the_metric_ranks():
    assert (family(OURS, VIDEO), family(OURS, MOTION)) == ("i2vm", "ito4g")
    assert family(OURS.model_copy(update={"families": ("i2v",)}), MOTION) == "i2v"  # it has no other
    assert family(OURS.model_copy(update={"families": ("vto4r", "v2v", "i2v")}), VIDEO) == "v2v"  # the first of several
    assert family(OURS.model_copy(update={"families": ()}), MOTION) == "unstated"


def test_points_that_were_paired_through_the_truth_are_a_class_of_their_own():
    own = rank_class(OURS, MOTION, OWN)
    assert own == ("ito4g", "none", "own points")
    assert rank_class(OURS, MOTION, replace(OWN, pairing="anchor")) == own
    assert rank_class(OURS, MOTION, replace(OWN, pairing="oracle-projection")) == ("ito4g", "none", "oracle-projection")
    assert rank_class(OURS, MOTION, replace(OWN, alignment="shared")) == ("ito4g", "shared", "own points")
    assert rank_class(OURS, VIDEO, Handling()) == ("i2vm", "none", "own points")


def test_a_method_with_three_seeds_a_clip_is_ranked():
    assert reason() is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": OURS.model_copy(update={"kind": "reference"})}, "a reference row"),
        ({"metric": SimpleNamespace(**vars(MOTION) | {"ranked": False})}, "a secondary metric"),
        ({"metric": SimpleNamespace(**vars(MOTION) | {"direction": "none"})}, "a secondary metric"),
        ({"method": OURS.model_copy(update={"regions": ("fg",)})}, "only in region fg"),
        ({"handling": replace(OWN, truth="proxy-hand")}, "the truth has a proxy hand"),
        ({"handling": replace(OWN, alignment="mixed")}, "in different ways"),
        ({"handling": replace(OWN, pairing="mixed")}, "in different ways"),
        ({"errors": 1}, "the scorer broke on 1 clip$"),
        ({"errors": 2}, "the scorer broke on 2 clips"),
        ({"of": scores([[1.0, 2.0, 3.0]], seeds=1)}, "one seed; .* at least 3"),
        ({"of": scores([[1.0, 2.0, 3.0]], seeds=[[3, 2, 3]])}, "2 seeds;"),  # the clip with the fewest decides
        ({"of": scores([[1.0, 2.0, 3.0]], present=[[True, False, False]])}, "fewer than 2 clips"),
    ],
)
def test_the_first_rule_that_forbids_a_rank_is_told(change, words):
    assert re.search(words, reason(**change))


def test_failures_without_stand_ins_are_counted_in_clips():
    of = replace(scores([[1.0, 2.0, 3.0]], failed=[(0, 0), (0, 2)]), stood_in=np.array([False]))
    assert reason(of=of) == "2 failed, and no frozen and random rows to take their place"


def test_clips_without_a_seed_do_not_count_as_too_few_seeds():
    assert reason(of=scores([[1.0, 2.0, 3.0]], seeds=[[3, 0, 4]])) is None


def test_a_reconstruction_needs_one_seed_and_two_clips():
    method = OURS.model_copy(update={"families": ("vto4r",)})
    assert reason(method=method, of=scores([[1.0, 2.0]], seeds=1)) is None
    assert reason(method=method, of=scores([[1.0]], seeds=1)) == "fewer than 2 clips"


def test_standings_compare_within_a_class_and_leave_out_who_is_not_ranked():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=60)
    table = np.stack([hard + offset + 0.1 * rng.normal(size=60) for offset in (1.0, 0.0, 0.0, -5.0, -9.0, 2.0)])
    classes = [("a",), ("a",), ("a",), ("b",), ("a",), ("a",)]
    unranked = [None, None, None, None, "one seed", None]
    found = standings(scores(table), classes, unranked, np.arange(60))
    assert [place.tied for place in found] == [False, True, True, None, None, False]
    assert sum(place.leader for place in found) == 1 and (found[1].leader or found[2].leader)
    assert [place.unranked for place in found] == unranked


@pytest.mark.parametrize(
    ("moves", "truth", "grey"),
    [(0.4, 0.8, False), (0.39, 0.8, True), (0.0, 0.1, True), (None, 0.8, False), (0.0, None, False), (0.0, 0.0, False)],
)
def test_a_row_is_grey_under_half_of_the_truths_motion_and_not_at_it(moves, truth, grey):
    text = why_grey(MOTION, moves, truth)
    assert (text is not None) == grey
    if grey:
        assert text == f"hardly moves: M {moves:.2f}, the truth's is {truth:.2f}; standing still is consistent"


def test_a_number_is_not_ranked_where_its_companion_is_worse_than_standing_still():
    rule = Companion(metric="c/x@2", why="it misleads")
    beside = scores([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]], present=[[1, 1, 0], [1, 1, 1], [1, 1, 1]])
    forbids = lambda entrant, frozen=2, of=beside: why_companion_forbids(rule, of, entrant, frozen)  # noqa: E731
    assert forbids(0) is None  # clips that one of both lacks do not count
    assert forbids(1) is None  # as bad as frozen is not worse
    assert forbids(1, frozen=0) == "its c/x is worse than frozen's: it misleads"
    nowhere = replace(beside, comparable=beside.comparable & np.array([[True], [True], [False]]))
    for missing in (forbids(0, frozen=None), forbids(0, of=None), forbids(0, of=nowhere)):
        assert missing == "no frozen row on c/x to stand against"
