"""Runs brought together: which of them share clips, and whose lines stand on the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hoibench.clip_entry import ClipEntry
from hoibench.reference_rows import CEILING
from hoibench.results.run_record import RunMethod
from hoibench.results.runs import Run

Array = NDArray[Any]


@dataclass(frozen=True)
class Entrant:
    """One line of a board.

    Attributes:
        method: what run.json says of it.
        run: the run that it comes from; for a reference row the newest of several.
        label: its name, with preset and, where a name comes twice, run.
        role: ``ceiling`` and ``floor`` are reference rows above and below the ``ranked`` methods.
        seeds: how many seeds its rows have.
    """

    method: RunMethod
    run: Run
    label: str
    role: str
    seeds: int


def sharing_clips(runs: list[Run]) -> list[list[Run]]:
    """Runs of one split, apart only where no clip is common to all of them: then by clip set id."""
    if set.intersection(*({clip.id for clip in run.record.clips} for run in runs)):
        return [runs]
    by_clips: dict[str, list[Run]] = {}
    for run in runs:
        by_clips.setdefault(run.record.clip_set_id, []).append(run)
    return list(by_clips.values()) if len(by_clips) > 1 else [runs]


def shared_clips(runs: list[Run]) -> tuple[tuple[ClipEntry, ...], tuple[str, ...]]:
    """The clips that every run scored, and a note for each run that scored more."""
    shared = set.intersection(*({clip.id for clip in run.record.clips} for run in runs))
    clips = tuple(clip for clip in runs[-1].record.clips if clip.id in shared)
    cut = [
        f"{run.record.name}: {len(clips)} of its {len(run.record.clips)} clips"
        for run in runs
        if len(run.record.clips) > len(clips)
    ]
    return clips, tuple(f"Only clips that every run scored are used. {text}" for text in cut)


def cluster_labels(clips: tuple[ClipEntry, ...]) -> Array:
    """(C,) labels: clips of the same object instances share one; a clip without instances is alone."""
    keys = [clip.instances or ("", clip.id) for clip in clips]
    places = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    return np.array([places[key] for key in keys], dtype=np.int64)


def enter(runs: list[Run], clip_index: Mapping[str, int]) -> tuple[pd.DataFrame, tuple[Entrant, ...]]:
    """Rows of the board's clips with ``entrant`` and ``clip_index``, and the entrants in page order.

    A reference row that several runs have is one entrant, the newest run's rows winning; any other method is an entrant of its own run.
    """
    found: dict[tuple[str, ...], tuple[RunMethod, Run]] = {}
    for run in runs:
        found |= {_key(run, method): (method, run) for method in run.record.methods}
    ordered = sorted(found, key=lambda key: _page_order(*found[key]))
    place = {key: n for n, key in enumerate(ordered)}
    rows = pd.concat([_board_rows(run, place, clip_index) for run in runs], ignore_index=True)
    rows = rows.drop_duplicates(["entrant", "clip_index", "seed", "metric", "region"], keep="last", ignore_index=True)
    seeds = rows.groupby("entrant")["seed"].nunique()
    names = Counter(_name(found[key][0]) for key in ordered)
    entrants = []
    for n, key in enumerate(ordered):
        method, run = found[key]
        name = _name(method)
        label = f"{name} ({run.record.name})" if names[name] > 1 else name
        entrants.append(Entrant(method, run, label, _role(method), int(seeds.get(n, 0))))
    return rows, tuple(entrants)


def _board_rows(run: Run, place: Mapping[tuple[str, ...], int], clip_index: Mapping[str, int]) -> pd.DataFrame:
    rows = run.headlines
    strange = set(rows["clip_set_id"]) - {run.record.clip_set_id}
    if strange:
        raise ValueError(
            f"{run.folder}: results.parquet holds rows of clip set id {min(strange)}, run.json says {run.record.clip_set_id}; merge the run again"
        )
    keys = rows["method"].str.cat("+" + rows["preset"], na_rep="")
    entrant_of = {method.key: place[_key(run, method)] for method in run.record.methods}
    unlisted = set(keys) - set(entrant_of)
    if unlisted:
        raise ValueError(
            f"{run.folder}: results.parquet holds rows of {min(unlisted)!r}, which run.json does not list; merge the run again"
        )
    rows = rows.assign(entrant=keys.map(entrant_of).astype(np.int64), clip_index=rows["clip"].map(clip_index))
    return rows[rows["clip_index"].notna()].astype({"clip_index": np.int64})


def _key(run: Run, method: RunMethod) -> tuple[str, ...]:
    origin = "" if method.kind == "reference" else str(run.folder)
    return origin, method.id, method.preset or ""


def _name(method: RunMethod) -> str:
    return f"{method.name} [{method.preset}]" if method.preset else method.name


def _role(method: RunMethod) -> str:
    if method.kind != "reference":
        return "ranked"
    return "ceiling" if method.id in CEILING else "floor"


def _page_order(method: RunMethod, run: Run) -> tuple[Any, ...]:
    role = ("ceiling", "ranked", "floor").index(_role(method))
    place = CEILING.index(method.id) if method.id in CEILING else len(CEILING)
    return role, place, method.families, method.name, method.preset or "", run.record.created, run.record.name
