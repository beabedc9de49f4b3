"""The headline of a board: a few sentences on what was compared, which method leads which primary column, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hoibench.reference_rows import FROZEN
from hoibench.results.board import Board
from hoibench.results.cell_text import with_region
from hoibench.results.ranking import compare_rows, ranking_class
from hoibench.text import count
from leaderboard.text import sanitize

FAMILY_TITLES = {"i2v": "I2V", "i2vm": "I2VM", "v2v": "V2V", "vto4r": "Vto4R", "ito4g": "Ito4G"}


@dataclass(frozen=True)
class Phrase:
    """A part of a sentence; the name of a method or of a column is set in a type of its own."""

    text: str
    kind: Literal["words", "method", "column"] = "words"


Sentence = tuple[Phrase, ...]


def headline(board: Board) -> tuple[Sentence, ...]:
    """Return the sentences above a board: its extent, then the verdicts of its primary columns, and why methods are not ranked.

    Without a test of two methods, they are described by their means alone.
    """
    methods = board.methods
    sentences = [_extent(board, methods)]
    if board.primary_columns and methods:
        if any(board.tests[n] for n in board.primary_columns):
            sentences += _verdicts(board)
        elif len(methods) > 1:
            sentences += _untested(board, methods)
        sentences += _against_first_frame(board, methods)
        sentences += _unranked(board, methods)
    elif methods:
        sentences.append((Phrase("No primary metric, by which methods are compared, applies to these clips."),))
    if board.is_demonstration:
        sentences.append(
            (
                Phrase(
                    f"With {count(board.clusters, 'object pair')} this is a demonstration: not separated does not mean equal."
                ),
            )
        )
    return tuple(sentences)


def headline_text(sentence: Sentence) -> str:
    """Return a sentence as plain text."""
    return "".join(phrase.text for phrase in sentence)


def column_title(board: Board, n: int) -> str:
    """Return the title of a column, with its region if that is not the board's first."""
    column = board.columns[n]
    return sanitize(with_region(column.card.title, column.region, board.regions[0]), 80)


def _extent(board: Board, methods: Sequence[int]) -> Sentence:
    data = "generated scenes" if board.kind == "synthetic" else sanitize(board.dataset, 60)
    return (Phrase(f"{board.extent} of {data}; {count(len(methods), 'method')}."),)


def _verdicts(board: Board) -> list[Sentence]:
    """Return a sentence for each group of columns with the same leader and the same rows tied with it, and one on where nothing separates methods."""
    led: dict[tuple[str, int, tuple[int, ...]], list[int]] = {}
    open_columns: dict[str, list[int]] = {}
    for n in board.primary_columns:
        for family, leader, tied in _leaders(board, n):
            if leader is None:
                open_columns.setdefault(family, []).append(n)
            else:
                led.setdefault((family, leader, tied), []).append(n)
    families = {family for family, _, _ in led} | set(open_columns)
    sentences: list[Sentence] = []
    for (family, leader, tied), columns in led.items():
        among = [Phrase(f"Among {_family(family)} methods, ")] if len(families) > 1 else []
        start = (
            *among,
            _method(board, leader),
            Phrase(" leads in " if tied else " is better than every other one in "),
        )
        end = [Phrase("; "), *_join([_method(board, m) for m in tied]), Phrase(" cannot be told apart from it.")]
        sentences.append((*start, *_columns(board, columns), *(end if tied else [Phrase(".")])))
    sharing: dict[tuple[int, ...], list[str]] = {}
    for family, columns in open_columns.items():
        sharing.setdefault(tuple(columns), []).append(_family(family) if len(families) > 1 else "")
    clauses = [
        (Phrase(f"the {' and '.join(names)}{' ' if any(names) else ''}methods in "), *_columns(board, columns))
        for columns, names in sharing.items()
    ]
    if clauses:
        sentences.append(
            (Phrase("Nothing separates "), *_join_clauses(clauses, last="; nor ", between="; nor "), Phrase("."))
        )
    return sentences


def _leaders(board: Board, n: int) -> Iterable[tuple[str, int | None, tuple[int, ...]]]:
    """Yield (family, leader, rows tied with it) of each class of a column; the leader is None if no two rows of the class are separated."""
    for ranking, members in _classes(board, n, board.methods).items():
        tests = [test for test in board.tests[n] if test.first in members]
        leader = next((m for m in members if board.cells[m, n].standing.is_leader), None)
        if leader is not None:
            tied = tuple(m for m in members if m != leader and board.cells[m, n].standing.in_leading_group)
            is_separated = any(test.is_separated for test in tests)
            yield ranking[0], leader if is_separated else None, tied if is_separated else ()


def _classes(board: Board, n: int, rows: Iterable[int]) -> Mapping[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for m in rows:
        ranking = ranking_class(board.rows[m].method, board.columns[n].card, board.cells[m, n].conditions)
        found.setdefault(ranking, []).append(m)
    return found


def _untested(board: Board, methods: Sequence[int]) -> list[Sentence]:
    """Return a sentence on the best means where no two methods were compared by a test."""
    columns_of: dict[int, list[int]] = {}
    for n in board.primary_columns:
        valued = [m for m in methods if board.cells[m, n].order is not None and not board.cells[m, n].grey]
        for members in _classes(board, n, valued).values():
            if len(members) > 1:
                best = min(members, key=lambda m: board.cells[m, n].order or 0.0)
                columns_of.setdefault(best, []).append(n)
    if not columns_of:
        return [(Phrase("No two methods compete with each other: each family is ranked separately."),)]
    clauses = [
        (_method(board, m), Phrase(" is ahead in "), *_columns(board, columns)) for m, columns in columns_of.items()
    ]
    return [(Phrase("No test was made. By the means alone, "), *_join_clauses(clauses), Phrase("."))]


def _against_first_frame(board: Board, methods: Sequence[int]) -> list[Sentence]:
    """Return sentences that compare the method with the best mean of each primary column with the truth's first frame, repeated.

    Of several methods, only one that is not better is named. A column in which the first frame is greyed is left out.
    """
    frozen = next((n for n, row in enumerate(board.rows) if row.method.id == FROZEN), None)
    verdicts = ("better than", "not separable from", "worse than")
    columns_of: dict[int, dict[str, list[int]]] = {}
    for n in board.primary_columns if frozen is not None else ():
        costs = {
            m: cost for m in methods if not board.cells[m, n].grey and (cost := board.cells[m, n].order) is not None
        }
        if not costs or frozen is None or board.cells[frozen, n].grey or board.cells[frozen, n].value is None:
            continue
        best = min(costs, key=costs.__getitem__)
        (test,) = compare_rows(board.scores[n], (best, frozen), board.cluster_labels)
        verdict = verdicts[1] if not test.is_separated else verdicts[0] if test.difference < 0 else verdicts[2]
        if len(methods) == 1 or verdict != verdicts[0]:
            columns_of.setdefault(best, {}).setdefault(verdict, []).append(n)
    start = [] if len(methods) == 1 else [Phrase("Even ")]
    sentences = []
    for m, found in columns_of.items():
        clauses = [
            (
                Phrase(f"{verdict} "),
                Phrase("it in " if place else "the first frame of the truth, repeated, in "),
                *_columns(board, found[verdict]),
            )
            for place, verdict in enumerate(verdict for verdict in verdicts if verdict in found)
        ]
        sentences.append((*start, _method(board, m), Phrase(" is "), *_join_clauses(clauses), Phrase(".")))
    return sentences


def _unranked(board: Board, methods: Sequence[int]) -> list[Sentence]:
    """Return sentences on the columns in which no method is ranked, and on the methods that are ranked in none; a reason that all share is given."""
    reasons = {}
    for m in methods:
        found = [
            board.cells[m, n].standing.unranked for n in board.primary_columns if board.cells[m, n].value is not None
        ]
        if found and all(found):
            reasons[m] = str(found[0])
    if len(reasons) == len(methods) and len(set(reasons.values())) == 1:
        who = Phrase("No method is ranked: " if len(methods) > 1 else "It is not ranked: ")
        return [(who, Phrase(f"{sanitize(reasons[methods[0]], 200)}."))]
    why = "not ranked, for reasons in the notes of the table."
    valued = {n: [m for m in methods if board.cells[m, n].value is not None] for n in board.primary_columns}
    columns = [n for n, rows in valued.items() if rows and all(board.cells[m, n].standing.unranked for m in rows)]
    sentences: list[Sentence] = []
    if columns:
        sentences.append((Phrase("In "), *_columns(board, columns), Phrase(f" the methods are {why}")))
    if reasons:
        verb = "is" if len(reasons) == 1 else "are"
        sentences.append((*_join([_method(board, m) for m in reasons]), Phrase(f" {verb} {why}")))
    return sentences


def _family(family: str) -> str:
    return FAMILY_TITLES.get(family, sanitize(family, 12))


def _method(board: Board, m: int) -> Phrase:
    return Phrase(sanitize(board.rows[m].label, 60), "method")


def _columns(board: Board, columns: Sequence[int]) -> list[Phrase]:
    return _join([Phrase(column_title(board, n), "column") for n in columns])


def _join(phrases: Sequence[Phrase]) -> list[Phrase]:
    """Return phrases as a list in words: ``a, b and c``."""
    return _join_clauses([(phrase,) for phrase in phrases])


def _join_clauses(clauses: Sequence[Sequence[Phrase]], between: str = ", ", last: str = " and ") -> list[Phrase]:
    joined: list[Phrase] = []
    for n, clause in enumerate(clauses):
        if n:
            joined.append(Phrase(last if n == len(clauses) - 1 else between))
        joined += clause
    return joined
