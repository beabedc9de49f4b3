"""``hoibench export``: write a clip with the predictions of several methods as a file for another viewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import tyro

from hoibench.arguments import parse
from hoibench.cli.output import StatusConsole, check_writable
from hoibench.clip import Pairing
from hoibench.plugins import UnknownName

if TYPE_CHECKING:
    from hoibench.evaluation.rerun_file import ExportedPrediction
    from hoibench.results.run_folder import Run
    from hoibench.results.run_record import RunMethod


@dataclass(frozen=True)
class Export:
    """Write a clip of one run, or of several, as a file for another viewer: cameras, true points, and each method's videos and points.

    Points are in the world, and aligned with the truth as the metrics do. The last line printed is the file's path.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""

    clip: str
    """The id of the clip."""

    out: Path
    """The file to write."""

    method: tuple[str, ...] = field(default=(), metadata={"metavar": "METHOD"})
    """Only these, each METHOD or METHOD+PRESET; reference rows, too. Default: all methods."""

    seed: int | None = None
    """The seed of the predictions. Default: for each method its first seed with a complete one."""

    format: Literal["rerun"] = "rerun"
    """rerun: an .rrd file for the viewer of https://rerun.io; needs pip install 'hoibench[rerun]'."""


def export_command(arguments: Sequence[str]) -> int:
    """Write the file and print its path; return the exit code."""
    options = parse(Export, arguments, "hoibench export")
    if not options.runs:
        raise ValueError("no run given: give the folder of a run (see hoibench ls runs)")
    if options.out.suffix != ".rrd":
        raise ValueError(f"--out {options.out}: give a name that ends with .rrd, by which the viewer knows the format")
    check_writable("--out", options.out)
    from hoibench.clip_file import CLIP_FILE, clip_folder, read_clip
    from hoibench.evaluation.rerun_file import write_rerun
    from hoibench.results.run_folder import read_run

    runs = [read_run(folder) for folder in options.runs]
    for run in runs:
        clips = [clip.id for clip in run.record.clips]
        if options.clip not in clips:
            raise UnknownName(f"clip of {run.folder}", options.clip, clips)
    folders = [clip_folder(run.folder, options.clip) for run in runs]
    stored = next((folder for folder in folders if (folder / CLIP_FILE).is_file()), None)
    if stored is None:
        raise FileNotFoundError(
            f"{folders[0] / CLIP_FILE} does not exist: `hoibench score {runs[0].folder}` adds the clips to an older run"
        )
    predictions = dict(_find_predictions(runs, options))
    reasons = write_rerun(options.out, read_clip(stored), predictions)
    console = StatusConsole()
    for name, reason in reasons.items():
        console.print(f"{name}: no points: {reason}", markup=False)
    print(options.out)
    return 0


def _find_predictions(runs: Sequence[Run], options: Export) -> Iterator[tuple[str, ExportedPrediction]]:
    """Yield the name and the stored prediction of each chosen method; names of a method of several runs end with the run's name.

    Raises:
        UnknownName: no run has a method.
        FileNotFoundError: there is no complete prediction to export, or none of a method that was asked for.
    """
    from hoibench.evaluation.rerun_file import ExportedPrediction

    methods = [(run, method) for run in runs for method in run.record.methods]
    keys = [method.key for _, method in methods]
    for name in options.method:
        if name not in keys:
            raise UnknownName("method", name, keys)
    found = 0
    for run, method in methods:
        if method.key not in options.method if options.method else method.kind == "reference":
            continue
        folder = _find_prediction(run, method, options)
        if folder is None:
            if options.method:
                raise FileNotFoundError(
                    f"{run.folder} has no complete prediction of {method.key} on {options.clip}"
                    f"{'' if options.seed is None else f' with seed {options.seed}'}: choose another --method or --seed"
                )
            continue
        found += 1
        name = f"{method.key} {run.record.name}" if keys.count(method.key) > 1 else method.key
        yield name, ExportedPrediction(folder, cast(Pairing | None, method.pairing))
    if not found:
        raise FileNotFoundError(
            f"{options.runs[0]} has no complete prediction of a method on {options.clip}: choose another --clip or --seed"
        )


def _find_prediction(run: Run, method: RunMethod, options: Export) -> Path | None:
    from hoibench.predictions import is_complete

    seeds = (method.seeds or run.record.seeds) if options.seed is None else (options.seed,)
    folders = (run.folder / "predictions" / method.key / f"seed-{seed}" / options.clip for seed in seeds)
    return next((folder for folder in folders if is_complete(folder)), None)
