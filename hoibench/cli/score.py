"""``hoibench score``: score the predictions of a run again, or a folder of predictions against a folder of truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.progress import track

from hoibench.cli.arguments import parse
from hoibench.cli.output import StatusConsole, reserved_stdout
from hoibench.clip import Pairing

if TYPE_CHECKING:
    from hoibench.metrics.measurement import Status
    from hoibench.results.result_row import ResultRow


@dataclass(frozen=True)
class Score:
    """Score the stored predictions of a run again, or a folder of predictions against a folder of truth.

    hoibench score RUN runs no method: it scores the predictions in RUN, and writes the run's table and page again.

    hoibench score --pred DIR --truth DIR expects one folder per clip in each, with the same names.
    A clip of truth has clip.json (schema "hoibench/clip@1", fps, frames, size and, for each view, id, K, R, t, size),
    tracks.npz (world, visible, part) and view-0.mp4, view-1.mp4, ...;
    a prediction has tracks.npz (tracks, anchors, valid) and view-0.mp4, view-1.mp4, ...
    """

    run: tyro.conf.Positional[Path | None] = None
    """The folder of a run; leave out --pred and --truth."""

    pred: Path | None = None
    """Predictions: CLIP/tracks.npz and CLIP/view-*.mp4."""

    truth: Path | None = None
    """Truth: CLIP/clip.json, CLIP/tracks.npz and CLIP/view-*.mp4."""

    root: Path | None = None
    """For a run: the folder of its data set, if it differs from the run's."""

    workers: int | None = None
    """For a run: number of worker processes. Default: one on a GPU, else one per core."""

    metrics: str = field(default="headline,offline", metadata={"metavar": "NAME", "joined": True})
    """Metric ids and sets (paper, headline, offline, all)."""

    pairing: Pairing | None = None
    """The rule that pairs predicted points with true ones. Default: query if a prediction's anchors are the clip's own, in order, else anchor
    (oracle-projection for point maps)."""

    out: Path | None = None
    """Also write all rows to this file, .parquet or .csv; a clip that could not be scored has rows with the reason."""

    weights: Path | None = None
    """A folder with weight files, searched before $HOIBENCH_WEIGHTS and the cache."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """The device of the networks."""

    json: bool = False
    """Print JSON: one object per clip, or the summary of a run."""


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
    if options.metrics != "headline,offline" or options.pairing is not None or options.out is not None:
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
    rows, failed = _score_clips(options, pred, truth)
    if options.out is not None:
        write_rows(options.out, (row for clip_rows in rows.values() for row in clip_rows))
    for clip, clip_rows in rows.items():
        _print_clip(clip, [row for row in clip_rows if row.is_headline], options.json)
    return 3 if failed else 0


def _score_clips(options: Score, pred: Path, truth: Path) -> tuple[dict[str, list[ResultRow]], int]:
    """Return the result rows of every clip, and the number of clips that failed."""
    from hoibench.datasets.clip_folder import clip_folders, read_clip
    from hoibench.evaluation.failures import format_reason
    from hoibench.evaluation.score import rows_without_value, score
    from hoibench.metric_card import select_cards
    from hoibench.predictions import read_prediction

    metrics = [name.strip() for name in options.metrics.split(",") if name.strip()]
    cards = select_cards(metrics)
    if not cards:
        raise ValueError(f"--metrics is {options.metrics!r}, expected ids or sets, e.g. rpe,chamfer")
    console, name, failed = StatusConsole(), pred.name or "prediction", 0
    rows: dict[str, list[ResultRow]] = {}
    folders = clip_folders(truth)
    for folder in track(folders, "clips", console=console, disable=not console.is_terminal, transient=True):
        status: Status = "error"  # a fault of the truth, until it is read
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
            reason = format_reason(error)
            rows[folder.name] = rows_without_value(cards, folder.name, name, status, reason)
            console.print(f"failed  {folder.name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    return rows, failed


def _print_clip(clip: str, headline: Sequence[ResultRow], as_json: bool) -> None:
    if as_json:
        fields = ("metric", "region", "value", "unit", "status", "reason")
        print(json.dumps({"clip": clip, "rows": [{field: getattr(r, field) for field in fields} for r in headline]}))
        return
    print(clip)
    for r in headline:
        value = f"{r.value:.6g} {r.unit}" if r.value is not None else f"{r.status}: {r.reason}"
        print(f"  {r.metric:<32} {r.region:<5} {value}")
