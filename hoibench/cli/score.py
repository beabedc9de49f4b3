"""``hoibench score``: score the predictions of a run again, or a folder of predictions against a folder of truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import tyro
from rich.progress import track

from hoibench.arguments import parse, split_at_commas
from hoibench.cli.output import StatusConsole, print_result, reserved_stdout
from hoibench.clip import Pairing

if TYPE_CHECKING:
    from hoibench.metrics.measurement import Status
    from hoibench.results.result_row import ResultRow

_Key: TypeAlias = tuple[str, int | None]
"""A clip and its seed; None for predictions without folders of seeds."""


@dataclass(frozen=True)
class Score:
    """Score the stored predictions of a run again, or a folder of predictions against a folder of truth.

    hoibench score RUN runs no method: it scores the predictions in RUN, and writes the run's table and page again.

    hoibench score --pred FOLDER --truth FOLDER expects one folder per clip in each, with the same names; predictions may be in seed-S/CLIP, one per
    seed, and a spec.toml beside them gives their scale and pairing.
    A clip of truth has clip.json (schema "hoibench/clip@1", fps, frames, size and, for each view, id, K, R, t, size),
    tracks.npz (world, visible, part) and view-0.mp4, view-1.mp4, ...;
    a prediction has tracks.npz (tracks, anchors, valid) and view-0.mp4, view-1.mp4, ...
    """

    run: tyro.conf.Positional[Path | None] = None
    """The folder of a run; leave out --pred and --truth."""

    pred: Path | None = None
    """Predictions: CLIP/tracks.npz and CLIP/view-*.mp4, or the same in seed-S/CLIP."""

    truth: Path | None = None
    """Truth: CLIP/clip.json, CLIP/tracks.npz and CLIP/view-*.mp4."""

    root: Path | None = None
    """For a run: the folder of its data set, if it differs from the run's."""

    workers: int | None = None
    """For a run: number of worker processes. Default: one on a GPU, else one per core."""

    metrics: str = field(default="headline,offline", metadata={"metavar": "NAME", "joined": True})
    """Metric ids and sets (paper, headline, offline, interaction, all)."""

    pairing: Pairing | None = None
    """The rule that pairs predicted points with true ones. Default: that of spec.toml in PRED; without it, query if a prediction's anchors are the
    clip's own, in order, else anchor (oracle-projection for point maps)."""

    out: Path | None = None
    """Also write all rows to this file, .parquet or .csv; a clip that could not be scored has rows with the reason."""

    weights: Path | None = None
    """A folder with weight files, searched before $HOIBENCH_WEIGHTS and the cache."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """The device of the networks."""

    json: bool = False
    """Print one JSON document: the values of each clip, or the summary of a run."""


def score_command(arguments: Sequence[str]) -> int:
    """Score; return 0, or 3 if a clip could not be scored or a run has more failures than allowed."""
    options = parse(Score, arguments, "hoibench score")
    if options.run is not None:
        return _score_run(options, options.run)
    if options.pred is None or options.truth is None:
        raise ValueError("nothing to score: give the folder of a run, or --pred and --truth")
    return _score_folders(options, options.pred, options.truth)


def _score_run(options: Score, run: Path) -> int:
    from hoibench.cli.run import build_page, report, resolve_device
    from hoibench.cli.run_progress import show_run

    if options.pred is not None or options.truth is not None:
        raise ValueError("give the folder of a run, or --pred and --truth, not both")
    if options.metrics != Score.metrics or options.pairing is not None or options.out is not None:
        raise ValueError("--metrics, --pairing and --out need --pred and --truth: a run has its own")
    given = {"root": options.root, "weights": options.weights, "workers": options.workers}
    settings = {name: value for name, value in given.items() if value is not None}
    console = StatusConsole()
    with reserved_stdout() as stdout:
        with show_run(console) as display:
            from hoibench.evaluation.rescore import rescore

            outcome = rescore(run, settings, resolve_device(options.device), display)
            page = build_page(outcome, display)
        return report(outcome, page, options.json, console, stdout)


def _score_folders(options: Score, pred: Path, truth: Path) -> int:
    from hoibench.cli.output import check_writable
    from hoibench.results.results_file import TABLE_SUFFIXES, write_rows

    if options.out is not None:
        if options.out.suffix not in TABLE_SUFFIXES:
            raise ValueError(
                f"--out {options.out} ends with {options.out.suffix or 'no suffix'}, expected {' or '.join(TABLE_SUFFIXES)}"
            )
        check_writable("--out", options.out)
    with reserved_stdout() as stdout:
        rows, failed = _score_clips(options, pred, truth)
        if options.out is not None:
            write_rows(options.out, (row for each in rows.values() for row in each))
        headlines = {key: [row for row in each if row.is_headline] for key, each in rows.items()}
        print_result(_as_json(headlines) if options.json else _as_text(headlines), stdout)
    return 3 if failed else 0


def _score_clips(options: Score, pred: Path, truth: Path) -> tuple[dict[_Key, list[ResultRow]], int]:
    """Return the result rows of every clip and seed, and how many of these failed."""
    from hoibench.clip_file import clip_folders, read_clip
    from hoibench.evaluation.failures import format_reason
    from hoibench.evaluation.score import rows_without_value, score
    from hoibench.evaluation.stored_predictions import read_stored_prediction
    from hoibench.methods.registry import folder_spec
    from hoibench.metric_card import select_cards
    from hoibench.plugins import SPEC_FILE
    from hoibench.predictions import find_seeds

    metrics = split_at_commas(options.metrics)
    cards = select_cards(metrics)
    if not cards:
        raise ValueError(f"--metrics is {options.metrics!r}, expected ids or sets, e.g. rpe,chamfer")
    console, name, failed = StatusConsole(), pred.name or "prediction", 0
    spec = folder_spec("prediction", pred) if (pred / SPEC_FILE).is_file() else None
    pairing = options.pairing if options.pairing is not None or spec is None else spec.pairing
    seeds: list[int | None] = [*find_seeds(pred)] or [None]
    rows: dict[_Key, list[ResultRow]] = {}
    keys = [(folder, seed) for folder in clip_folders(truth) for seed in seeds]
    for folder, seed in track(keys, "clips", console=console, disable=not console.is_terminal, transient=True):
        status: Status = "error"  # a fault of the truth, until it is read
        try:
            clip = read_clip(folder)
            status = "failed"
            prediction = read_stored_prediction(pred, folder.name, seed or 0, "metric" if spec is None else spec.scale)
            scored = score(
                prediction, clip, metrics, pairing=pairing, device=options.device, weights=options.weights, name=name,
            )  # fmt: skip
        except (FileNotFoundError, ValueError) as error:
            failed += 1
            reason = format_reason(error)
            scored = rows_without_value(cards, folder.name, name, status, reason)
            label = _label((folder.name, seed))
            console.print(f"failed  {label}: {reason}", markup=False, highlight=False, soft_wrap=True)
        rows[folder.name, seed] = [row.model_copy(update={"seed": seed or 0}) for row in scored]
    return rows, failed


def _label(key: _Key) -> str:
    clip, seed = key
    return clip if seed is None else f"{clip}, seed {seed}"


def _as_json(headlines: Mapping[_Key, Sequence[ResultRow]]) -> str:
    fields = ("metric", "region", "value", "unit", "status", "reason")
    clips = [
        {"clip": clip, "seed": seed, "rows": [{field: getattr(row, field) for field in fields} for row in rows]}
        for (clip, seed), rows in headlines.items()
    ]
    return json.dumps({"clips": clips})


def _as_text(headlines: Mapping[_Key, Sequence[ResultRow]]) -> str:
    lines = []
    for key, rows in headlines.items():
        lines.append(_label(key))
        for r in rows:
            value = f"{r.value:.6g} {r.unit}" if r.value is not None else f"{r.status}: {r.reason}"
            lines.append(f"  {r.metric:<32} {r.region:<5} {value}")
    return "\n".join(lines)
