"""The rows of a board: methods of one or several runs, on the clips that all of these runs scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.clip_entry import ClipEntry
from hoibench.exclusions import ExclusionList
from hoibench.method_key import method_key
from hoibench.reference_rows import CEILING, REFERENCES
from hoibench.results.results_file import sort_texts
from hoibench.results.run_folder import Run
from hoibench.results.run_record import RunMethod
from hoibench.text import count

Role = Literal["ceiling", "ranked", "floor"]
ROLES: tuple[Role, ...] = ("ranked", "ceiling", "floor")
"""Roles in the order of the rows: methods first."""


MAX_LABEL = 32
"""Length of the longest name of a method that is used as a label."""


@dataclass(frozen=True)
class BoardRow:
    """One row of a board (leaderboard table): a method, or a reference row.

    Attributes:
        method: the method as recorded in run.json.
        run: the run with its results; for a reference row that several runs have, the newest.
        label: the method's name with its preset, or its key if that is longer than ``MAX_LABEL``; with the run's name if several rows have the same.
        role: ``ranked`` for methods; ``ceiling`` and ``floor`` for the reference rows that have the true motion and that have none.
        seeds: number of distinct seeds in its results; seeds with the same predictions are one.
        is_deterministic: true if it claims that the seed changes nothing, and two seeds on one clip gave the same predictions.
    """

    method: RunMethod
    run: Run
    label: str
    role: Role
    seeds: int
    is_deterministic: bool


def shared_ids(runs: list[Run]) -> set[str]:
    """Return the ids of the clips that every run scored."""
    return set.intersection(*({clip.id for clip in run.record.clips} for run in runs))


def group_by_shared_clips(runs: list[Run]) -> list[list[Run]]:
    """Group the runs of a split into boards: one group if some clip was scored by all runs, else one for each set of scored clips."""
    if shared_ids(runs):
        return [runs]
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.record.clip_set_id, []).append(run)
    return list(groups.values()) if len(groups) > 1 else [runs]


def shared_clips(
    runs: list[Run], exclusions: ExclusionList | None = None
) -> tuple[tuple[ClipEntry, ...], tuple[str, ...]]:
    """Return the clips that every run scored, without excluded ones, sorted by id, and sentences on the clips that are left out."""
    shared = shared_ids(runs)
    clips = tuple(sorted((clip for clip in runs[-1].record.clips if clip.id in shared), key=lambda clip: clip.id))
    notes = [
        f"Only clips that every run scored are used: {len(clips)} of the {len(run.record.clips)} clips of {run.record.name}."
        for run in runs
        if len(run.record.clips) > len(clips)
    ]
    if exclusions is not None:
        left = tuple(clip for clip in clips if clip.id not in exclusions.ids)
        notes.append(f"Without {len(clips) - len(left)} of {count(len(clips), 'clip')}, excluded by {exclusions.name}.")
        clips = left
    return clips, tuple(notes)


def cluster_labels(clips: tuple[ClipEntry, ...]) -> Array:
    """Return an integer label for each of the C clips, (C,), equal for clips of the same object instances; a clip without instances has its own."""
    keys = [clip.instances or ("", clip.id) for clip in clips]
    label_of = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    return np.array([label_of[key] for key in keys], dtype=np.int64)


def collect_board_rows(runs: list[Run], clip_index: Mapping[str, int]) -> tuple[pd.DataFrame, tuple[BoardRow, ...]]:
    """Collect the rows of a board and the headline results (values of whole clips) of its clips.

    A reference row that several runs have becomes one row, with the newest run's results; any other method has one row per run.

    Args:
        runs: oldest first.
        clip_index: index of each of the board's clips by id.

    Returns:
        The results, with row and clip as integer columns ``board_row`` and ``clip_index``, and a column ``is_repeated``, true where a seed's
        prediction is identical to that of a lower seed of the same row and clip; and the rows in the order of the leaderboard page.
    """
    found: dict[tuple[str, ...], tuple[RunMethod, Run]] = {}
    for run in runs:
        found |= {_key(run, method): (method, run) for method in run.record.methods}
    ordered = sorted(found, key=lambda key: _page_order(*found[key]))
    row_index = {key: n for n, key in enumerate(ordered)}
    results = _concat([_board_results(run, row_index, clip_index) for run in runs])
    repeated = pd.Index(_codes(results, "board_row", "clip_index", "seed", "metric", "region")).duplicated(keep="last")
    if repeated.any():
        results = results[~repeated].reset_index(drop=True)
    results["is_repeated"] = _is_repeated(results)
    seeds = results.loc[~results["is_repeated"], ["board_row", "seed"]].groupby("board_row")["seed"].nunique()
    names = Counter(_name(method) for method, _ in found.values())
    rows = []
    for n, key in enumerate(ordered):
        method, run = found[key]
        name = _name(method)
        label = f"{name} ({run.record.name})" if names[name] > 1 else name
        rows.append(BoardRow(method, run, label, _role(method), int(seeds.get(n, 0)), _is_deterministic(run, method)))
    return results, tuple(rows)


def _board_results(run: Run, row_index: Mapping[tuple[str, ...], int], clip_index: Mapping[str, int]) -> pd.DataFrame:
    results = run.headlines
    other_ids = set(results["clip_set_id"].unique()) - {run.record.clip_set_id}
    if other_ids:
        raise ValueError(
            f"{run.folder}: results.parquet has rows of clip set {min(other_ids)}, but run.json has {run.record.clip_set_id}; "
            "merge the run again"
        )
    (method_codes, methods), (preset_codes, presets) = (pd.factorize(results[name]) for name in ("method", "preset"))
    codes, pairs = pd.factorize(method_codes * (len(presets) + 1) + preset_codes + 1)
    ids, names = list(methods), [None, *presets]
    keys = [method_key(ids[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()]
    row_of = {method.key: row_index[_key(run, method)] for method in run.record.methods}
    unlisted = set(keys) - set(row_of)
    if unlisted:
        raise ValueError(
            f"{run.folder}: results.parquet has rows of {min(unlisted)!r}, which run.json does not list; merge the run again"
        )
    clip_codes, clips = pd.factorize(results["clip"])
    board_row = np.array([row_of[key] for key in keys], dtype=np.int32)[codes]
    clip = np.array([clip_index.get(id, -1) for id in clips], dtype=np.int32)[clip_codes]
    results = results.drop(columns=["method", "preset", "clip", "clip_set_id"])
    results = results.assign(board_row=board_row, clip_index=clip)
    return results if (clip >= 0).all() else results[clip >= 0]


def _concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames of results; columns of categories stay so."""
    if len(frames) == 1:
        return frames[0].reset_index(drop=True)
    for name in frames[0].columns:
        if isinstance(frames[0][name].dtype, pd.CategoricalDtype):
            categories = sort_texts(text for frame in frames for text in frame[name].cat.categories)
            frames = [frame.assign(**{name: frame[name].cat.set_categories(categories)}) for frame in frames]
    return pd.concat(frames, ignore_index=True)


def _codes(results: pd.DataFrame, *names: str) -> Array:
    """Return an integer for each of n results, (n,), equal for results that are equal in all the columns ``names``."""
    codes = np.zeros(len(results), dtype=np.int64)
    for name in names:
        column, values = pd.factorize(results[name], use_na_sentinel=False)
        if codes.max(initial=0) >= 2**62 // max(len(values), 1):
            codes = pd.factorize(codes)[0]
        codes = codes * len(values) + column
    return codes


def _is_repeated(results: pd.DataFrame) -> Array:
    """Return for each of n results whether its prediction is identical to that of a lower seed of the same row and clip, (n,) bool."""
    repeated = np.zeros(len(results), dtype=bool)
    places = np.flatnonzero(results["prediction"].notna())
    codes = _codes(results, "board_row", "clip_index", "metric", "region", "prediction")[places]
    order = np.argsort(results["seed"].to_numpy(dtype=np.int64)[places], kind="stable")
    repeated[places[order]] = pd.Index(codes[order]).duplicated()
    return repeated


def _is_deterministic(run: Run, method: RunMethod) -> bool:
    """Return True if a method claims that the seed changes nothing, and two seeds of a clip have the same predictions."""
    if not method.deterministic:
        return False
    results = run.headlines
    preset = results["preset"]
    is_own = (results["method"] == method.id) & (preset.isna() if method.preset is None else preset == method.preset)
    columns = ["clip", "metric", "region", "seed", "prediction"]
    digests = results.loc[is_own & results["prediction"].notna(), columns].groupby(["clip", "metric", "region"])
    compared = digests["seed"].nunique() > 1
    return bool(compared.any() and (digests["prediction"].nunique()[compared] == 1).all())


def _key(run: Run, method: RunMethod) -> tuple[str, ...]:
    origin = "" if method.kind == "reference" else str(run.folder)
    return origin, method.key


def _name(method: RunMethod) -> str:
    name = f"{method.name} [{method.preset}]" if method.preset else method.name
    return name if len(name) <= MAX_LABEL or method.id in REFERENCES else method.key


def _role(method: RunMethod) -> Role:
    if method.kind != "reference":
        return "ranked"
    return "ceiling" if method.id in CEILING else "floor"


def _page_order(method: RunMethod, run: Run) -> tuple[Any, ...]:
    place = CEILING.index(method.id) if method.id in CEILING else len(CEILING)
    role = ROLES.index(_role(method))
    return role, place, method.families, method.name, method.preset or "", run.record.created, run.record.name
