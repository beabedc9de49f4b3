"""``hoibench score``: the stored predictions of a run anew, or a folder of predictions against a folder of truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from hoibench.metrics.measurement import Status
    from hoibench.results.result_row import ResultRow


@dataclass(frozen=True)
class Score:
    """Score the stored predictions of a run anew, or a folder of predictions against a folder of truth.

    ``hoibench score RUN`` runs no method: it scores what lies in RUN, and writes the run's table and page again.

    ``hoibench score --pred DIR --truth DIR`` takes one folder a clip in each, of the same names.
    A clip of truth holds clip.json (schema "hoibench/clip@1", fps, frames, size and, for each view, id, K, R, t, size),
    tracks.npz (world, visible, part) and view-0.mp4, view-1.mp4, ...;
    a prediction holds tracks.npz (tracks, anchors, valid) and view-0.mp4, view-1.mp4, ...
    """

    run: tyro.conf.Positional[Path | None] = None
    """A run's folder, instead of --pred and --truth."""

    pred: Path | None = None
    """Predictions: CLIP/tracks.npz and CLIP/view-*.mp4."""

    truth: Path | None = None
    """Truth: CLIP/clip.json, CLIP/tracks.npz and CLIP/view-*.mp4."""

    root: Path | None = None
    """For a run: where its data set lies on this machine, if elsewhere than it lay."""

    workers: int | None = None
    """For a run: clips scored at once, each in a process of its own. Default: one on a GPU, else one a core."""

    metrics: str = "offline"
    """Metric ids and presets (paper, offline, all), separated by commas."""

    pairing: Literal["query", "anchor", "oracle-projection"] | None = None
    """How points are paired; by default query where a clip's anchors are the truth's own, in order, else anchor
    (oracle-projection for point maps)."""

    out: Path | None = None
    """Also write all rows to this Parquet file; a clip that could not be scored has rows that say why."""

    weights: Path | None = None
    """A folder to look for weight files in."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where networks run."""

    json: bool = False
    """Print JSON: one object a clip, or the summary of a run."""


def score_command(arguments: Sequence[str]) -> int:
    """Score; 3 if a clip could not be scored, or a run has more failures than it forgives."""
    options = tyro.cli(Score, args=list(arguments), prog="hoibench score")
    if options.run is not None:
        return _score_run(options, options.run)
    if options.pred is None or options.truth is None:
        raise ValueError("score what? give the folder of a run, or --pred and --truth")
    return _score_folders(options, options.pred, options.truth)


def _score_run(options: Score, run: Path) -> int:
    from hoibench.cli.exit_codes import as_crash
    from hoibench.cli.progress_bar import make_listener
    from hoibench.cli.run import report, resolve_device
    from hoibench.evaluation.merge import rescore

    if options.pred is not None or options.truth is not None:
        raise ValueError("give the folder of a run, or --pred and --truth, not both")
    if options.metrics != Score.metrics or options.pairing is not None or options.out is not None:
        raise ValueError("--metrics, --pairing and --out belong to --pred and --truth: a run has its own")
    given = {"root": options.root, "weights": options.weights, "workers": options.workers}
    settings = {name: value for name, value in given.items() if value is not None}
    console = Console(stderr=True)
    outcome = rescore(run, settings, resolve_device(options.device), make_listener(console))
    with as_crash():
        return report(outcome, options.json, console)


def _score_folders(options: Score, pred: Path, truth: Path) -> int:
    rows, failed = _score_clips(options, pred, truth)
    if options.out is not None:
        from hoibench.results.results_file import write_rows

        write_rows(options.out, (row for of_clip in rows.values() for row in of_clip))
    for clip, of_clip in rows.items():
        _print(clip, [row for row in of_clip if row.is_headline], options.json)
    return 3 if failed else 0


def _score_clips(options: Score, pred: Path, truth: Path) -> tuple[dict[str, list[ResultRow]], int]:
    """Every clip's rows, and how many clips failed."""
    from hoibench.datasets.clip_folder import clip_folders, read_clip
    from hoibench.evaluation.api import rows_without_value, score
    from hoibench.evaluation.failures import reason_of
    from hoibench.metric_card import select_cards
    from hoibench.predictions import read_prediction

    metrics = [name.strip() for name in options.metrics.split(",") if name.strip()]
    cards = select_cards(metrics)
    if not cards:
        raise ValueError(f"--metrics is {options.metrics!r}, expected ids or presets, e.g. rpe,chamfer")
    console, name, failed = Console(stderr=True), pred.name or "prediction", 0
    rows: dict[str, list[ResultRow]] = {}
    folders = clip_folders(truth)
    for folder in track(folders, "clips", console=console, disable=not console.is_terminal, transient=True):
        status: Status = "error"  # the truth's fault, until it is read
        try:
            clip = read_clip(folder)
            status = "failed"
            prediction = read_prediction(pred / folder.name)
            rows[folder.name] = score(
                prediction, clip, metrics, pairing=options.pairing, device=options.device, weights=options.weights,
                name=name,
            )  # fmt: skip
        except (FileNotFoundError, ValueError) as error:
            failed += 1
            reason = reason_of(error)
            rows[folder.name] = rows_without_value(cards, folder.name, name, status, reason)
            console.print(f"failed  {folder.name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    return rows, failed


def _print(clip: str, headline: Sequence[ResultRow], as_json: bool) -> None:
    if as_json:
        fields = ("metric", "region", "value", "unit", "status", "reason")
        print(json.dumps({"clip": clip, "rows": [{field: getattr(r, field) for field in fields} for r in headline]}))
        return
    print(clip)
    for r in headline:
        shown = f"{r.value:.6g} {r.unit}" if r.value is not None else f"{r.status}: {r.reason}"
        print(f"  {r.metric:<32} {r.region:<5} {shown}")
