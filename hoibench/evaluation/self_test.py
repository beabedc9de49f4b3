"""The self-test of metrics: each metric on the truth and on corruptions of it, to record which it sees, ignores and rewards.

``python -m hoibench.evaluation.self_test`` measures on two clips of the split ``demo`` and writes hoibench/metrics/self_test.json.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from hoibench.arguments import parse
from hoibench.clip import Array, Clip
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.corruptions import CORRUPTIONS, corrupt
from hoibench.evaluation.measure import RowKey, measure, to_row
from hoibench.evaluation.reference_predictions import build_reference
from hoibench.evaluation.scored_clip import encode_truth, roundtrip
from hoibench.metric_card import Card, Companion, all_cards, select_cards
from hoibench.metrics.case import Case
from hoibench.metrics.self_test_record import (
    PATH,
    ClipValues,
    CorruptionOutcome,
    MetricOutcomes,
    RegionOutcomes,
    SelfTest,
    judge,
)
from hoibench.plugins import is_built_in
from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.clip_scores import ClipScores, clip_scores
from hoibench.results.companions import CompanionScores, why_grey

log = logging.getLogger(__name__)

SPLIT = "demo"
CLIPS = ("20231002_129", "20231002_234")
"""Clips of the split: the true video of the first has at least 50 matches that move, those of both have 50 matches."""

Scores = Mapping[tuple[str, str], ClipScores]
"""Scores by metric id and region; the truth is row 0, the corruptions follow."""


@dataclass(frozen=True)
class Options:
    """Measure metrics on corruptions of the truth, and write hoibench/metrics/self_test.json."""

    metrics: str = field(default="all", metadata={"metavar": "NAME", "joined": True})
    """Metric ids and sets (paper, headline, offline, interaction, all); companions are measured, too. The record keeps other metrics."""

    device: Literal["cpu", "cuda"] = "cpu"
    """The device of the networks."""

    weights: Path | None = None
    """A folder with weight files, searched first."""

    root: Path | None = None
    """Folder of generated clips; by default hoibench's cache."""


def main() -> None:
    """Measure and write the record."""
    options = parse(Options, sys.argv[1:], "python -m hoibench.evaluation.self_test")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    dataset = open_dataset("synthetic", options.root)
    manifest = dataset.manifest(SPLIT)
    entries = {entry.id: entry for entry in manifest.entries}
    first, second = (dataset.load(entries[name]) for name in CLIPS)
    cards = built_in_cards(select_cards(options.metrics.split(",")))
    measured = measure_corruptions(
        [(first, second), (second, first)], cards, device=options.device, weights=options.weights
    )
    merged = SelfTest.read(PATH).metrics if PATH.is_file() else {}
    merged |= {metric: found for metric, found in measured.items() if found.regions or metric not in merged}
    SelfTest(
        truth=manifest.truth_id,
        split=f"synthetic/{SPLIT}",
        clips=CLIPS,
        corruptions={name: corruption.text for name, corruption in CORRUPTIONS.items()},
        metrics={metric: merged[metric] for metric in all_cards() if metric in merged},
    ).write(PATH)
    log.info("wrote %s", PATH)


def built_in_cards(cards: Iterable[Card]) -> list[Card]:
    """Return the cards of hoibench's own metrics among ``cards``, with their companions, in the order of ``all_cards``."""
    chosen = [card for card in cards if is_built_in(card.entry)]
    wanted = {card.id for card in chosen} | {rule.metric for card in chosen for rule in card.companions}
    return [card for card in all_cards().values() if card.id in wanted]


def measure_corruptions(
    clips: Sequence[tuple[Clip, Clip]],
    cards: Sequence[Card],
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    *,
    device: str = "cpu",
    weights: Path | None = None,
) -> dict[str, MetricOutcomes]:
    """Measure metrics on the truth of clips and on corruptions of it.

    Args:
        clips: clips with true video, tracks and cameras, each with another one of which a view is taken.
        cards: the metrics; a companion that is not among them greys nothing.
        corruptions: names of corruptions.
        device: torch device of the metrics' networks.
        weights: a folder with weight files, searched first.

    Returns:
        The outcomes by metric id, without the corruptions that change no input of the metric.

    Raises:
        RuntimeError: a metric raised an error.
    """
    table = pd.DataFrame(_measure_all(clips, cards, corruptions, device, weights))
    names = (GROUND_TRUTH, *corruptions)
    table["board_row"] = table["method"].map(names.index)
    table["clip_index"] = table["clip"].map([clip.id for clip, _ in clips].index)
    scores: dict[tuple[str, str], ClipScores] = {}
    for card in cards:
        for region in card.regions:
            part = table[(table["metric"] == card.id) & (table["region"] == region)]
            scores[card.id, region] = clip_scores(part, (len(names), len(clips)), card, truth_row=0)
    return {card.id: _outcomes(card, table[table["metric"] == card.id], scores, names) for card in cards}


def _measure_all(
    clips: Sequence[tuple[Clip, Clip]],
    cards: Sequence[Card],
    corruptions: Sequence[str],
    device: str,
    weights: Path | None,
) -> Iterator[dict[str, Any]]:
    """Yield the result rows of whole clips, with the corruption as method."""
    for clip, foreign in clips:
        scored = encode_truth(clip)
        memo: dict[Hashable, Any] = {}
        for name in (GROUND_TRUTH, *corruptions):
            log.info("clip %s: %s", clip.id, name)
            prediction = build_reference(name, clip, seed=0) if name == GROUND_TRUTH else corrupt(name, clip, foreign)
            if prediction.video is not None:
                prediction = replace(prediction, video=roundtrip(np.asarray(prediction.video), clip.fps))
            case = Case(prediction, scored, device=device, weights=weights, clip_memo=memo)
            key = RowKey(method=name, clip=clip.id, split="", clip_set_id="", seed=0, device=device)
            for card in cards:
                for row in (to_row(measurement, card, key) for measurement in measure(case, card)):
                    if row.status == "error":
                        raise RuntimeError(f"{card.id} on {clip.id}, {name}: {row.reason}")
                    if row.is_headline:
                        yield row.to_parquet()


def _outcomes(card: Card, rows: pd.DataFrame, scores: Scores, names: Sequence[str]) -> MetricOutcomes:
    """Return a metric's outcomes from its rows, and from the scores of all metrics, of the truth (``names[0]``) and of corruptions."""
    if (rows["status"] == "unavailable").any():
        return MetricOutcomes(not_measured=f"since the weights {', '.join(card.weights)} were not at hand")
    weights = {id: sha256 for text in rows["weights"] for id, sha256 in json.loads(text).items()}
    applicable = set(rows["method"][rows["status"] != "not_applicable"])
    regions = {}
    for region in card.regions:
        companions = [_companion(rule, region, scores) for rule in card.companions]
        truth = _values(scores[card.id, region], 0)
        corrupted = {}
        for row, name in enumerate(names):
            if row == 0 or name not in applicable:
                continue
            own = _values(scores[card.id, region], row)
            index = {other: number for number, other in enumerate(names)}
            greyed_by = dict.fromkeys(c.rule.metric for c in companions if why_grey(c, row, index))
            corrupted[name] = CorruptionOutcome(
                values=own.values, costs=own.costs, outcome=judge(card, own, truth), greyed_by=tuple(greyed_by)
            )
        regions[region] = RegionOutcomes(truth=truth, corruptions=corrupted)
    return MetricOutcomes(regions=regions, weights=weights)


def _companion(rule: Companion, region: str, scores: Scores) -> CompanionScores:
    """Return a companion with its scores in the rule's region or ``region``, or in the one that it has."""
    regions = [own for metric, own in scores if metric == rule.metric]
    if not regions:
        return CompanionScores(rule)
    wanted = rule.region or region
    return CompanionScores(
        rule, all_cards()[rule.metric], scores[rule.metric, wanted if wanted in regions else regions[0]]
    )


def _values(scores: ClipScores, row: int) -> ClipValues:
    """Return the values and costs of one row, with six digits."""
    return ClipValues(
        values=_numbers(scores.value[row], scores.has_value[row]),
        costs=_numbers(scores.cost[row], scores.has_cost[row]),
    )


def _numbers(numbers: Array, known: Array) -> tuple[float | None, ...]:
    return tuple(float(f"{number:.6g}") if is_known else None for number, is_known in zip(numbers, known, strict=True))


if __name__ == "__main__":
    main()
