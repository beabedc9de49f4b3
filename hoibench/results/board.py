"""The board: runs over the same clips, as one typed table that the page and the terminal both show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hoibench.clip_entry import ClipEntry
from hoibench.metric_card import Card
from hoibench.reference_rows import FLOOR
from hoibench.results.cells import Cell, Context, fill_column, intervals
from hoibench.results.entrants import Entrant, cluster_labels, enter, shared_clips, sharing_clips
from hoibench.results.run_record import RunMethod
from hoibench.results.runs import Run
from hoibench.results.scores import gather

Array = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One metric in one region."""

    metric: Card
    region: str


@dataclass(frozen=True, eq=False)
class Board:
    """Everything that may be compared with each other, and nothing else.

    Attributes:
        kind: ``measured`` or ``synthetic``.
        dataset, split, split_id: what was run on.
        truth_id: what made the truth, where a data set says so.
        clip_set_ids: those of the runs; where they differ, ``clips`` is what all of them scored.
        clips: the clips of this board.
        clusters: distinct object-instance pairs among them.
        runs, entrants, columns: in page order.
        cells: by (entrant, column) index; every pair is there.
        notes: what a reader must know of how the board was put together.
    """

    kind: str
    dataset: str
    split: str
    split_id: str
    truth_id: str
    clip_set_ids: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    clusters: int
    runs: tuple[Run, ...]
    entrants: tuple[Entrant, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[int, int], Cell]
    notes: tuple[str, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that some column has, ``full`` first."""
        return tuple(sorted({column.region for column in self.columns}, key=lambda region: (region != "full", region)))


def build_boards(runs: Sequence[Run], cards: Mapping[str, Card]) -> list[Board]:
    """Boards of runs: one a kind, data set, split and making of the truth, measured before synthetic.

    Runs of a split that scored different clips are cut to the clips that all of them have; where there are none, each set of clips is a board
    of its own.

    Args:
        runs: from ``read_run``.
        cards: metric facts by id, in column order; hoibench.metric_card.all_cards() has them.

    Raises:
        FileNotFoundError, ValueError: a run's results are missing or do not fit its run.json.
    """
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        facts = run.record
        key = (facts.kind, facts.dataset, facts.split, facts.split_id, facts.truth_id)
        groups.setdefault(key, []).append(run)
    return [_board(members, cards) for key in sorted(groups) for members in sharing_clips(groups[key])]


def _board(runs: list[Run], cards: Mapping[str, Card]) -> Board:
    runs = sorted(runs, key=lambda run: (run.record.created, run.record.name))
    clips, notes = shared_clips(runs)
    rows, entrants = enter(runs, {clip.id: n for n, clip in enumerate(clips)})
    rows, without_value = _applicable(rows)
    columns = _columns(rows, cards)
    clusters = cluster_labels(clips)
    facts = runs[0].record
    return Board(
        kind=facts.kind,
        dataset=facts.dataset,
        split=facts.split,
        split_id=facts.split_id,
        truth_id=facts.truth_id,
        clip_set_ids=tuple(dict.fromkeys(run.record.clip_set_id for run in runs)),
        clips=clips,
        clusters=len(set(clusters.tolist())),
        runs=tuple(runs),
        entrants=entrants,
        columns=columns,
        cells=_cells(rows, [entrant.method for entrant in entrants], columns, clusters),
        notes=(*_notes_of(runs), *notes, *without_value),
    )


def _notes_of(runs: list[Run]) -> tuple[str, ...]:
    """How the clips were made, and of which of the split there were none."""
    records = [run.record for run in runs]
    made = dict.fromkeys(note for record in records for note in record.notes)
    lacking = (
        f"{record.name} leaves out clips of the split. {'; '.join(record.left_out)}."
        for record in records
        if record.left_out
    )
    return (*made, *lacking)


def _applicable(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of columns that some line of the board can have a number in, and a note that names the metrics which have none."""
    column = rows.groupby(["metric", "region"])["status"]
    blank = column.transform(lambda status: (status == "not_applicable").all()).astype(bool)
    kept = rows[~blank]
    gone = sorted(set(rows["metric"]) - set(kept["metric"]))
    note = f"Left out, since no line can have them: {', '.join(gone)}."
    return kept, (note,) if gone else ()


def _columns(rows: pd.DataFrame, cards: Mapping[str, Card]) -> tuple[Column, ...]:
    kinds = rows[["metric", "region", "unit"]].drop_duplicates(["metric", "region"])
    places = {metric: n for n, metric in enumerate(cards)}
    columns = [
        Column(cards.get(metric) or _unregistered(metric, unit), region)
        for metric, region, unit in kinds.itertuples(index=False, name=None)
    ]

    def order(column: Column) -> tuple[Any, ...]:
        return (
            column.metric.group_place,
            not column.metric.ranked,
            places.get(column.metric.id, len(places)),
            column.metric.id,
            column.region != "full",
        )

    return tuple(sorted(columns, key=order))


def _unregistered(metric: str, unit: str) -> Card:
    """A card for a metric that is not registered here: shown, never ranked."""
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


def _cells(
    rows: pd.DataFrame, methods: list[RunMethod], columns: tuple[Column, ...], clusters: Array
) -> dict[tuple[int, int], Cell]:
    shape = (len(methods), len(clusters))
    by_id = {method.id: m for m, method in enumerate(methods) if method.kind == "reference"}
    stand_ins = tuple(by_id[name] for name in FLOOR) if set(FLOOR) <= set(by_id) else ()
    exempt = np.array([method.kind == "reference" for method in methods])
    slices = dict(iter(rows.groupby(["metric", "region"])))
    parts = [slices[column.metric.id, column.region] for column in columns]
    scores = [
        gather(part, shape, column.metric.direction, stand_ins, exempt)
        for part, column in zip(parts, columns, strict=True)
    ]
    bounds = intervals(scores, clusters)
    cells: dict[tuple[int, int], Cell] = {}
    for n, column in enumerate(columns):
        companion, stillness = column.metric.companion, column.metric.stillness
        beside = None if companion is None else _find_column(columns, (companion.metric,), column.region)
        motion = None if stillness is None else _find_column(columns, stillness.motion, column.region)
        context = Context(
            methods=methods,
            clusters=clusters,
            references=by_id,
            companion=None if beside is None else scores[beside],
            motion=None if motion is None else (columns[motion].metric, scores[motion]),
        )
        filled = fill_column(column.metric, column.region, parts[n], scores[n], bounds[n], context)
        cells |= {(m, n): cell for m, cell in enumerate(filled)}
    return cells


def _find_column(columns: tuple[Column, ...], wanted: tuple[str, ...], region: str) -> int | None:
    """The column of one of the metrics ``wanted``, or None: in this region rather than another, then the metric that is named first."""
    fitting = [
        (c.region != region, wanted.index(c.metric.id), n) for n, c in enumerate(columns) if c.metric.id in wanted
    ]
    return min(fitting)[-1] if fitting else None
