"""``hoibench score``: a folder of predictions against a folder of truth, both of one's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track


@dataclass(frozen=True)
class Score:
    """Score a folder of predictions against a folder of truth: one folder a clip in each, of the same names.

    A clip of truth holds clip.json (fps and, for each view, id, K, R, t, size), tracks.npz (world, visible, part) and view-0.mp4, view-1.mp4, ...;
    a prediction holds tracks.npz (tracks, anchors, valid) and view-0.mp4, view-1.mp4, ...
    """

    pred: Path
    """Predictions: CLIP/tracks.npz and CLIP/view-*.mp4."""

    truth: Path
    """Truth: CLIP/clip.json, CLIP/tracks.npz and CLIP/view-*.mp4."""

    metrics: str = "offline"
    """Metric ids and presets (paper, offline, all), separated by commas."""

    out: Path | None = None
    """Also write all rows to this Parquet file."""

    weights: Path | None = None
    """A folder to look for weight files in."""

    device: str = "cpu"
    """Where networks run."""

    json: bool = False
    """Print one JSON object a clip instead of a table."""


def score_command(arguments: Sequence[str]) -> int:
    """Score every clip of the truth; 3 if one of them could not be."""
    options = tyro.cli(Score, args=list(arguments), prog="hoibench score")
    from hoibench.datasets.folder import clip_folders, read_clip
    from hoibench.evaluation.api import score
    from hoibench.methods.predictions import read_prediction
    from hoibench.results.parquet import write_rows

    console, rows, failed = Console(stderr=True), [], 0
    metrics = [name.strip() for name in options.metrics.split(",") if name.strip()]
    folders = clip_folders(options.truth)
    for folder in track(folders, "clips", console=console, disable=not console.is_terminal, transient=True):
        try:
            prediction = read_prediction(options.pred / folder.name)
            rows += score(
                prediction, read_clip(folder), metrics, device=options.device, weights=options.weights,
                name=options.pred.name or "prediction",
            )  # fmt: skip
        except (FileNotFoundError, ValueError) as error:
            failed += 1
            console.print(f"failed  {folder.name}: {error}", markup=False, highlight=False, soft_wrap=True)
    if options.out is not None:
        write_rows(options.out, rows)
    for folder in folders:
        headline = [row for row in rows if row.clip == folder.name and row.headline]
        if options.json:
            values = [{"metric": r.metric, "region": r.region, "value": r.value, "unit": r.unit, "status": r.status, "reason": r.reason}
                      for r in headline]  # fmt: skip
            print(json.dumps({"clip": folder.name, "rows": values}))
        else:
            print(folder.name)
            for r in headline:
                shown = f"{r.value:.6g} {r.unit}" if r.value is not None else f"{r.status}: {r.reason}"
                print(f"  {r.metric:<32} {r.region:<5} {shown}")
    return 3 if failed else 0
