"""``python -m reference_model.evaluate``: make the recorded results of the model that is part of hoibench again."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from reference_model.command_line import create_output_folder

PROGRAM = "python -m reference_model.evaluate"
SPLITS = ("test_seen", "test_unseen")
MODEL = "syncmv4d+micro"
SECOND = "-second-training"
"""End of the names of the runs of a second training."""
VARIANTS = (f"{MODEL}-no_guidance", f"{MODEL}-mjd_tracks")


@dataclass(frozen=True)
class EvaluateOptions:
    """Run the model that is part of hoibench, with and without its loop, on the synthetic test clips, and record the results.

    The same command resumes. The runs, with predictions and pages, are in RUNS; OUT gets their results and README.md with the tables.
    """

    runs: Path = Path("runs/micro")
    """Folder of the runs, one for each split."""

    out: Path | None = None
    """Folder of the recorded results. Default: the one beside the model's weights."""

    limit: int | None = None
    """Number of clips of each split, for a trial; needs --out. Default: all."""

    workers: int | None = None
    """Number of processes. Default: that of python -m hoibench.run."""

    second: Path | None = None
    """Folder of the model of a second training, with another seed: evaluate it instead, and compare it with the recorded results of the first."""


def evaluate_command(arguments: Sequence[str]) -> int:
    """Make the runs and record their results, and return the exit code: 0, or that of a run that failed."""
    options = parse(EvaluateOptions, arguments, PROGRAM)
    if options.limit is not None and options.out is None:
        raise ValueError(f"--limit {options.limit} needs --out FOLDER: the results beside the weights are of all clips")
    from hoibench import __version__
    from hoibench.cli.run import run_command
    from hoibench.metric_card import all_cards
    from hoibench.store import sha256_json
    from reference_model.loading.model_folder import CHECKPOINTS, read_config_and_digest
    from reference_model.publishing.results import METRICS, record_run

    shipped = CHECKPOINTS / "micro"
    model = shipped / "model" if options.second is None else options.second.absolute()
    digest = read_config_and_digest(model)[1]
    out = options.out or shipped / "results"
    if options.second is not None and (
        missing := [split for split in SPLITS if not (out / split / "run.json").is_file()]
    ):
        raise FileNotFoundError(
            f"{out / missing[0]}: no recorded results of the first training; make them without --second"
        )
    create_output_folder(out)  # before the runs, which take long
    recorded = [each for each in all_cards() if each.partition("@")[0] in METRICS]
    chosen = ["--dataset", "synthetic", "--metrics", ",".join(recorded)]
    chosen += [] if options.limit is None else ["--limit", str(options.limit)]
    flags = _method_flags(model if options.second else None)
    flags += [] if options.workers is None else ["--workers", str(options.workers)]
    suffix = "" if options.second is None else SECOND
    values = sha256_json([__version__, digest, *chosen])[
        :8
    ]  # in the names, so that no run is continued with another model
    runs = {split: options.runs / f"{split}{suffix}-{values}" for split in SPLITS}
    code = max([run_command([*chosen, *flags, "--split", split, "--out", str(run)]) for split, run in runs.items()])
    if code:
        Console(stderr=True, emoji=False).print(
            "not recorded, since there were failures; the same command tries them again", markup=False, highlight=False
        )
        return code
    names = {f"{folder}/": "" for folder in (CHECKPOINTS.parents[1], options.runs.absolute().parent, Path.cwd())}
    names |= {str(model): "MODEL"} if options.second else {}
    for split, run in runs.items():
        record_run(run, out / f"{split}{suffix}", names | {run.name: f"{split}{suffix}"})
    write_tables(out)
    Console(emoji=False).out(str(out), highlight=False)
    return 0


def write_tables(out: Path) -> None:
    """Write the tables of the recorded results in a folder, README.md."""
    from hoibench.metric_card import all_cards
    from hoibench.store import write_bytes
    from reference_model.loading.model_folder import CHECKPOINTS, read_config_and_digest
    from reference_model.publishing.results import describe_run, describe_second_training

    sections = [INTRODUCTION.format(digest=read_config_and_digest(CHECKPOINTS / "micro" / "model")[1])]
    for split in SPLITS:
        sections.append(describe_run(out / split, MODEL, VARIANTS, all_cards()) + "\n")
        if (second := out / f"{split}{SECOND}").is_dir():
            sections.append(describe_second_training(out / split, second, MODEL, all_cards()) + "\n")
    write_bytes(out / "README.md", f"{''.join(sections).rstrip()}\n".encode())


def _method_flags(second: Path | None) -> list[str]:
    """Return the flags of the methods to run: the model with and without its loop, or a second training's model alone."""
    if second is not None:
        return ["--no-frozen-self", "--method", MODEL, "--set", f"{MODEL}.checkpoint={second}"]
    return [word for key in (MODEL, *VARIANTS) for word in ("--method", key)]


INTRODUCTION = """# Recorded results

`python -m reference_model.evaluate` wrote these tables, and the folder of each split: `results.parquet` with every value of a clip and of its
parts, and `run.json` with versions, machine and commit. `hoibench show FOLDER` and `hoibench compare FOLDER:METHOD FOLDER:METHOD` read them.
The model is {digest}.

The clips are generated (synthetic), and no number here is comparable with results on TACO. `frozen` repeats the first frame of the truth, with true
depths, which no method is given; `frozen_self` repeats the first frame of the model's own prediction; `random` is points and a video of noise.
`no_guidance` samples without the aligner's guidance, and `mjd_tracks` also takes the tracks from the joint diffusion model's motion, where they are
found in it. *Better* and *worse* are separated by the test of docs/statistics.md, with p corrected for all pairs of a metric among the compared
rows; greyed values are misleading by a rule of the metric's card, such as those of videos that stand still, and comparisons with them *not judged*.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evaluate command with readable errors, and return its exit code (0 done, 1 crash, 2 usage, 3 failed clips, 130 interrupted)."""
    logging.captureWarnings(True)
    return to_exit_code(evaluate_command, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
