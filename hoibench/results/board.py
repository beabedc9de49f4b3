"""Boards: results of runs over the same clips as one table, for the leaderboard page and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.clip_entry import ClipEntry
from hoibench.exclusions import ExclusionList
from hoibench.metric_card import Card
from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.board_rows import (
    BoardRow,
    cluster_labels,
    collect_board_rows,
    group_by_shared_clips,
    shared_clips,
    shared_ids,
)
from hoibench.results.cells import Cell, ColumnContext, fill_column
from hoibench.results.clip_scores import ClipScores, clip_scores
from hoibench.results.companions import CompanionScores
from hoibench.results.confidence_intervals import column_intervals
from hoibench.results.run_folder import Run
from hoibench.results.run_record import RunMethod
from hoibench.results.significance import PairedTest
from hoibench.text import count

DEMONSTRATION_CLUSTERS = 12
"""A board with fewer clusters is headed by ``DEMONSTRATION``."""
DEMONSTRATION = "demonstration: not separated does not mean equal"


@dataclass(frozen=True)
class Column:
    """A column of a board: one metric in one region (``full``: the full frame; ``fg``: the foreground, hands and objects)."""

    card: Card
    region: str


@dataclass(frozen=True, eq=False)
class Board:
    """A leaderboard table: rows (methods), columns (metrics) and cells that may be compared with each other.

    Attributes:
        kind: the kind of data, ``measured`` or ``synthetic``.
        dataset, split: names of the data set and of its split.
        split_id, truth_id: ids of the split's contents and of the truth's version, which all runs share.
        clip_set_ids: ids of the sets of clips that the runs scored; if they differ, ``clips`` are the clips that all runs scored.
        clips: the clips of this board.
        cluster_labels: (C,) labels of the clips, equal for clips of the same pair of object instances; a clip without instances has its own.
        runs: the runs, oldest first.
        rows, columns: in the order of the leaderboard page.
        parts: the headline results of each column with all seeds, see ``collect_board_rows``.
        scores: the scores of each column per row and clip, without repeated seeds.
        cells: the cell of every (row index, column index).
        tests: of each column, the comparisons of its ranked rows, see ``ColumnRanking``.
        is_paper: true for a board of the paper's columns, literally, see ``build_paper_boards``.
        notes: sentences on how the clips were prepared, on excluded clips and on omitted metrics.
    """

    kind: str
    dataset: str
    split: str
    split_id: str
    truth_id: str
    clip_set_ids: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    cluster_labels: Array
    runs: tuple[Run, ...]
    rows: tuple[BoardRow, ...]
    columns: tuple[Column, ...]
    parts: tuple[pd.DataFrame, ...]
    scores: tuple[ClipScores, ...]
    cells: Mapping[tuple[int, int], Cell]
    tests: tuple[tuple[PairedTest, ...], ...]
    is_paper: bool
    notes: tuple[str, ...]

    @property
    def methods(self) -> tuple[int, ...]:
        """The indices of the rows of methods."""
        return tuple(m for m, row in enumerate(self.rows) if row.role == "ranked")

    @property
    def clusters(self) -> int:
        """The number of clusters: distinct pairs of object instances among the clips."""
        return len(set(self.cluster_labels.tolist()))

    @property
    def extent(self) -> str:
        """The numbers of clips and clusters, e.g. ``3 clips, 1 object pair``."""
        return f"{count(len(self.clips), 'clip')}, {count(self.clusters, 'object pair')}"

    @property
    def is_demonstration(self) -> bool:
        """True if there are too few clusters for a difference that is not separated to mean much."""
        return self.clusters < DEMONSTRATION_CLUSTERS

    @property
    def warning(self) -> str:
        """``DEMONSTRATION`` with the board's extent if it is a demonstration, else empty."""
        return f"{DEMONSTRATION} ({self.extent})" if self.is_demonstration else ""

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that columns have (``full``, ``fg``), ``full`` first."""
        return tuple(sorted({column.region for column in self.columns}, key=lambda region: (region != "full", region)))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds whose results can be looked at alone, see ``scores_of_seed``; empty if no row has several."""
        found = [part["seed"][~self._is_the_same_for_all_seeds[part["board_row"]]] for part in self.parts]
        return tuple(sorted(int(seed) for seed in pd.concat(found).unique()) if found else ())

    def scores_of_seed(self, seed: int) -> tuple[ClipScores, ...]:
        """Return the scores of each column from the results of one seed; a row with one seed only, or that no seed changes, keeps its own.

        Repeated seeds count here: a seed's results are its own, whether or not another seed gave the same prediction.
        """
        chosen = [
            part[
                np.where(self._is_the_same_for_all_seeds[part["board_row"]], ~part["is_repeated"], part["seed"] == seed)
            ]
            for part in self.parts
        ]
        return _scores(chosen, [row.method for row in self.rows], self.columns, len(self.clips))

    @property
    def _is_the_same_for_all_seeds(self) -> Array:
        return np.array([row.seeds < 2 or row.is_deterministic for row in self.rows], dtype=bool)

    @property
    def primary_columns(self) -> tuple[int, ...]:
        """The indices of the columns that compare methods: those of primary metrics in the board's first region."""
        return tuple(n for region in self.regions[:1] for n in self.columns_in(region) if self.columns[n].card.primary)

    def columns_in(self, region: str) -> tuple[int, ...]:
        """Return the indices of the columns of a region; ``full`` also has those of metrics without a value for the full frame."""
        return tuple(
            n
            for n, column in enumerate(self.columns)
            if column.region == region or (region == "full" and "full" not in column.card.regions)
        )


def build_boards(
    runs: Sequence[Run], cards: Mapping[str, Card], exclusions: ExclusionList | None = None
) -> list[Board]:
    """Build one board (leaderboard table) for each kind of data, data set, split and truth.

    Boards with a primary metric come first, measured data before synthetic.

    If runs of a split scored different clips, their board has the clips that all of them scored; if there are none, each set of clips has a
    board of its own.  Unranked metrics of the set ``paper`` alone are left out: ``build_paper_boards`` shows them.

    Args:
        runs: from ``read_run``.
        cards: metric cards by id, in column order, from ``hoibench.metric_card.all_cards``.
        exclusions: clips to leave out of all boards; a board of which no clip is left is left out too.

    Raises:
        FileNotFoundError, ValueError: a run's results.parquet is missing, invalid or does not match its run.json.
    """
    literal = {metric for metric, card in cards.items() if card.sets == ("paper",) and not card.is_ranked}
    return _build_boards(runs, cards, lambda metric: metric not in literal, exclusions, is_paper=False)


def build_paper_boards(
    runs: Sequence[Run], cards: Mapping[str, Card], exclusions: ExclusionList | None = None
) -> list[Board]:
    """Build the boards of the metric set ``paper``, the columns of the paper's tables read literally, see ``literal_cards``.

    Arguments and errors as ``build_boards``. A board without such columns is left out.
    """
    literal = literal_cards(cards)
    boards = _build_boards(runs, literal, lambda metric: metric in literal, exclusions, is_paper=True)
    return [board for board in boards if board.columns]


def literal_cards(cards: Mapping[str, Card]) -> dict[str, Card]:
    """Return the cards of the metric set ``paper`` by id, as the page of the paper's columns reads them: never ranked, never greyed, without caps."""
    literal = {"ranked": False, "primary": False, "cap": None, "companions": ()}
    return {metric: card.model_copy(update=literal) for metric, card in cards.items() if "paper" in card.sets}


def _build_boards(
    runs: Sequence[Run],
    cards: Mapping[str, Card],
    is_shown: Callable[[str], bool],
    exclusions: ExclusionList | None,
    *,
    is_paper: bool,
) -> list[Board]:
    """Build boards with the columns of the metrics that ``is_shown``."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        record = run.record
        key = (record.kind, record.dataset, record.split, record.split_id, record.truth_id)
        groups.setdefault(key, []).append(run)
    boards = [
        _build_board(members, cards, is_shown, exclusions, is_paper=is_paper)
        for key in sorted(groups)
        for members in group_by_shared_clips(groups[key])
        if exclusions is None or shared_ids(members) - exclusions.ids
    ]
    return sorted(boards, key=lambda board: not board.primary_columns)


def _build_board(
    runs: list[Run],
    cards: Mapping[str, Card],
    is_shown: Callable[[str], bool],
    exclusions: ExclusionList | None,
    *,
    is_paper: bool,
) -> Board:
    runs = sorted(runs, key=lambda run: (run.record.created, run.record.name))
    clips, clip_notes = shared_clips(runs, exclusions)
    results, rows = collect_board_rows(runs, {clip.id: n for n, clip in enumerate(clips)})
    results = _select(results, results["metric"].isin([m for m in results["metric"].unique() if is_shown(m)]))
    results, omitted_notes = _drop_empty_columns(results)
    columns = _columns(results, cards)
    results_of = dict(iter(results.groupby(["metric", "region"])))
    del results  # the parts are copies, and there may be millions of rows
    parts = tuple(results_of.pop((column.card.id, column.region)) for column in columns)
    distinct = [_select(part, ~part["is_repeated"]) for part in parts]
    methods, clusters = [row.method for row in rows], cluster_labels(clips)
    scores = _scores(distinct, methods, columns, len(clips))
    cells, tests = _cells(distinct, scores, rows, columns, clusters)
    record = runs[0].record
    return Board(
        kind=record.kind,
        dataset=record.dataset,
        split=record.split,
        split_id=record.split_id,
        truth_id=record.truth_id,
        clip_set_ids=tuple(dict.fromkeys(run.record.clip_set_id for run in runs)),
        clips=clips,
        cluster_labels=clusters,
        runs=tuple(runs),
        rows=rows,
        columns=columns,
        parts=parts,
        scores=scores,
        cells=cells,
        tests=tests,
        is_paper=is_paper,
        notes=(*_run_notes(runs), *clip_notes, *omitted_notes),
    )


def _run_notes(runs: list[Run]) -> tuple[str, ...]:
    """Return sentences on how the clips were prepared, and on the clips of the split that each run excludes."""
    records = [run.record for run in runs]
    preparation = dict.fromkeys(note for record in records for note in record.notes)
    excluded = (
        f"{record.name} excludes clips of the split. {'; '.join(record.excluded)}."
        for record in records
        if record.excluded
    )
    return (*preparation, *excluded)


def _drop_empty_columns(results: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop the results of columns (a metric in a region) that apply to no row.

    Returns:
        The other results, and a note that names the metrics without a column; no note if every metric has one.
    """
    applies = results["status"] != "not_applicable"
    has_values = applies.groupby([results["metric"], results["region"]]).transform("any").astype(bool)
    shown = _select(results, has_values)
    omitted = sorted(set(results["metric"].unique()) - set(shown["metric"].unique()))
    note = f"Omitted because they apply to no row: {', '.join(omitted)}."
    return shown, (note,) if omitted else ()


def _select(results: pd.DataFrame, mask: pd.Series[bool]) -> pd.DataFrame:
    """Return the results where ``mask`` is true; all of them without a copy, if it is true everywhere."""
    return results if mask.all() else results[mask]


def _columns(results: pd.DataFrame, cards: Mapping[str, Card]) -> tuple[Column, ...]:
    found = results[["metric", "region", "unit"]].drop_duplicates(["metric", "region"])
    places = {metric: n for n, metric in enumerate(cards)}
    columns = [
        Column(cards.get(metric) or _unregistered_card(metric, unit), region)
        for metric, region, unit in found.itertuples(index=False, name=None)
    ]

    def order(column: Column) -> tuple[Any, ...]:
        card = column.card
        return (
            card.group_index,
            not card.ranked,
            places.get(card.id, len(places)),
            card.id,
            column.region != "full",
        )

    return tuple(sorted(columns, key=order))


def _unregistered_card(metric: str, unit: str) -> Card:
    """Return a card (description) for a metric that has none in this installation: it is shown but never ranked."""
    return Card(
        id=metric,
        entry="",
        title=metric,
        group="other",
        unit=unit,
        direction="none",
        formula="",
        source="",
        ranked=False,
    )


def _scores(
    parts: list[pd.DataFrame], methods: list[RunMethod], columns: tuple[Column, ...], clips: int
) -> tuple[ClipScores, ...]:
    truth_row = _reference_index(methods).get(GROUND_TRUTH)
    return tuple(
        clip_scores(part, (len(methods), clips), column.card, truth_row)
        for part, column in zip(parts, columns, strict=True)
    )


def _reference_index(methods: list[RunMethod]) -> dict[str, int]:
    return {method.id: m for m, method in enumerate(methods) if method.kind == "reference"}


def _cells(
    parts: list[pd.DataFrame],
    scores: tuple[ClipScores, ...],
    rows: tuple[BoardRow, ...],
    columns: tuple[Column, ...],
    clusters: Array,
) -> tuple[dict[tuple[int, int], Cell], tuple[tuple[PairedTest, ...], ...]]:
    """Return the cells of all columns, and of each column the comparisons of its ranked rows."""
    methods = [row.method for row in rows]
    reference_index = _reference_index(methods)
    intervals = column_intervals(scores, [column.card.bounds for column in columns], clusters)
    cells: dict[tuple[int, int], Cell] = {}
    all_tests = []
    for n, column in enumerate(columns):
        card = column.card
        companions = []
        for rule in card.companions:
            found = _find_column(columns, rule.metric, rule.region or column.region)
            companions.append(
                CompanionScores(rule) if found is None else CompanionScores(rule, columns[found].card, scores[found])
            )
        context = ColumnContext(
            methods=methods,
            deterministic=[row.is_deterministic for row in rows],
            clusters=clusters,
            reference_index=reference_index,
            companions=companions,
        )
        filled, tests = fill_column(card, column.region, parts[n], scores[n], intervals[n], context)
        cells |= {(m, n): cell for m, cell in enumerate(filled)}
        all_tests.append(tests)
    return cells, tuple(all_tests)


def _find_column(columns: tuple[Column, ...], metric: str, region: str) -> int | None:
    """Return the index of the column of a metric, preferably in ``region``; None if there is no column of it."""
    candidates = [(column.region != region, n) for n, column in enumerate(columns) if column.card.id == metric]
    return min(candidates)[-1] if candidates else None
