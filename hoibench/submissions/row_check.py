"""Checks of the rows of results.parquet against the record of their run and the metric cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hoibench.metric_card import Card
from hoibench.problems import Problem
from hoibench.results.pack import RESULTS_FILE
from hoibench.results.run_record import RunRecord
from hoibench.text import count

STATUSES = ("ok", "failed", "error", "unavailable", "undefined", "not_applicable")
MAX_TEXT = 2000
"""Longest text of a cell, in characters; details may have ten times as many."""

_UNIT = ["method", "preset", "clip", "seed"]
_PLACE = ["part", "view", "pair", "frame"]
_JSON = ("weights", "details")
_TEXTS = (
    "method", "preset", "clip", "split", "clip_set_id", "metric", "region", "part", "view", "pair", "status", "reason", "unit", "pairing",
    "alignment", "weights", "precision", "device", "truth", "prediction", "details",
)  # fmt: skip
_TOLERANCE = 1e-6


def find_row_problems(rows: pd.DataFrame, record: RunRecord, cards: Mapping[str, Card]) -> Iterator[Problem]:
    """Yield a problem for each rule that rows break, with the number of rows and the first one.

    Args:
        rows: the rows as ``read_rows`` returns them.
        record: the record of the run.
        cards: the installed metric cards by id; values of other metrics are not compared with bounds.
    """
    yield from _find_text_problems(rows)
    value = rows["value"].notna()
    yield from _problem(rows, value != (rows["status"] == "ok"), "have a value without status ok, or none with it")
    yield from _problem(rows, ~rows["status"].isin(STATUSES), f"have a status other than {', '.join(STATUSES)}")
    for name in ("split", "clip_set_id"):
        yield from _problem(rows, rows[name] != getattr(record, name), f"have another {name} than run.json")
    yield from _problem(rows, ~rows["region"].isin(["full", "fg"]), "have a region other than full and fg")
    yield from _problem(rows, (rows["coverage"] < 0) | (rows["coverage"] > 1), "have a coverage outside 0 to 1")
    for name in ("seed", "frame", "n_scored", "n_expected"):
        yield from _problem(rows, rows[name] < 0, f"have a negative {name}")
    yield from _find_unit_problems(rows, record)
    yield from _find_card_problems(rows, cards)


def _find_text_problems(rows: pd.DataFrame) -> Iterator[Problem]:
    for name in _TEXTS:
        texts = rows[name].dropna().unique()
        limit = 10 * MAX_TEXT if name in _JSON else MAX_TEXT
        bad = {text for text in texts if len(text) > limit or not text.isprintable()}
        yield from _problem(
            rows, rows[name].isin(bad), f"have a {name} with control characters, or over {limit} characters"
        )
        if name in _JSON:
            wrong = {text for text in texts if not _is_json_object(text)}
            yield from _problem(rows, rows[name].isin(wrong), f"have {name} that are no JSON object of finite numbers")


def _is_json_object(text: str) -> bool:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _find_unit_problems(rows: pd.DataFrame, record: RunRecord) -> Iterator[Problem]:
    """Yield problems of rows of other units or metrics than the record's, of rows that are there twice, and of missing ones."""
    units = [
        (method.id, method.preset or "", clip.id, seed)
        for method in record.methods
        for clip in record.clips
        for seed in method.seeds_of(clip.id, record.clips[0].id)
    ]
    keys = pd.MultiIndex.from_frame(rows[_UNIT].fillna({"preset": ""}).astype({"seed": "int64"}))
    expected = pd.MultiIndex.from_tuples(units, names=_UNIT) if units else keys[:0]
    yield from _problem(rows, ~keys.isin(expected), "are of no unit of run.json")
    yield from _problem(rows, ~rows["metric"].isin(record.metrics), "are of no metric of run.json")
    yield from _problem(rows, rows.duplicated([*_UNIT, "metric", "region", *_PLACE]), "are there twice")
    headlines = rows[_PLACE].isna().all(axis=1).to_numpy()
    for metric in record.metrics:
        found = keys[headlines & (rows["metric"] == metric).to_numpy(dtype=bool)]
        missing = expected[~expected.isin(found)]
        if len(missing):
            first = "/".join(map(str, missing[0]))
            lacks = f"has no row for {len(missing)} of {count(len(units), 'unit')}, such as {first!r:.200}"
            yield Problem(RESULTS_FILE, metric, lacks, "", "run hoibench merge RUN, then pack again")


def _find_card_problems(rows: pd.DataFrame, cards: Mapping[str, Card]) -> Iterator[Problem]:
    for metric, group in rows.groupby("metric"):
        card = cards.get(str(metric))
        if card is None:
            continue
        low, high = card.bounds
        below = group["value"] < (-np.inf if low is None else low) - _TOLERANCE
        above = group["value"] > (np.inf if high is None else high) + _TOLERANCE
        yield from _problem(group, below | above, f"have a value outside the bounds of {metric}")
        yield from _problem(group, group["unit"] != card.unit, f"have another unit than {metric}")
        yield from _problem(group, ~group["region"].isin(card.regions), f"have a region that {metric} does not have")
        if isinstance(card.cap, float):
            yield from _problem(group, (group["cap"] - card.cap).abs() > _TOLERANCE, f"have another cap than {metric}")


def _problem(rows: pd.DataFrame, wrong: Any, found: str) -> Iterator[Problem]:
    """Yield a problem if some rows are wrong; a missing answer counts as right."""
    mask = np.asarray(pd.array(wrong, dtype="boolean").fillna(False), dtype=bool)
    if mask.any():
        row = rows[mask].iloc[0]
        place = "/".join(str(row[name]) for name in (*_UNIT, "metric", "region"))
        yield Problem(RESULTS_FILE, f"{mask.sum()} of {len(rows)} rows", f"{found}, such as {place!r:.300}", "", "")
