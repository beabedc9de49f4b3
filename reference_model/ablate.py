"""``python -m reference_model.ablate``: evaluate or train the rows of the paper's Tables 3 and 4, and write the tables."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from reference_model.ablations.rows import BASES, ROWS, START
from reference_model.command_line import create_output_folder

PROGRAM = "python -m reference_model.ablate"
_TRAINING = {"group": "training"}
_EVALUATION = {"group": "evaluation"}


@dataclass(frozen=True)
class AblateOptions:
    """Show what each part of SyncMV4D contributes: evaluate the rows of Tables 3 and 4 on the same clips, and write both tables.

    It prints the path of the page. The same command resumes. With --train it trains the rows that are missing in OUT instead, which resumes, too.
    """

    preset: str = "micro"
    """The model whose variants the rows are: micro, nano or wan22_5b."""

    out: Path | None = None
    """Folder of trainings, which --train writes. Without --train, their models are evaluated instead of those that are part of hoibench."""

    seeds: int = 1
    """Number of trainings of each row."""

    train: bool = field(default=False, metadata=_TRAINING)
    """Train the common start and all rows that OUT lacks."""

    cache: tuple[Path, ...] = field(default=(), metadata=_TRAINING)
    """Latent caches for the training, written by python -m reference_model.prepare."""

    steps: int | None = field(default=None, metadata=_TRAINING)
    """End each training after this many iterations, for a trial, and evaluate that model. Default: all iterations of the launch configuration."""

    processes: int = field(default=2, metadata=_TRAINING)
    """Number of processes that train together."""

    wan: Path | None = field(default=None, metadata=_TRAINING)
    """Folder of the autoencoder and text encoder that the cache was prepared with; of wan22_5b also its transformer, the common start."""

    engine: Literal["ddp", "zero3"] = field(default="ddp", metadata=_TRAINING)
    """ddp: every process holds the complete model. zero3: DeepSpeed shards it."""

    limit: int | None = field(default=None, metadata=_EVALUATION)
    """Number of clips, for a quick look. Default: all."""

    samples: int = field(default=3, metadata=_EVALUATION)
    """Number of sampling seeds."""

    dataset: str = field(default="synthetic", metadata=_EVALUATION)
    """The data set, as of python -m hoibench.run."""

    split: str = field(default="test_seen", metadata=_EVALUATION)
    """The split of the data set."""

    root: Path | None = field(default=None, metadata=_EVALUATION)
    """The data set's folder."""

    weights: Path | None = field(default=None, metadata=_EVALUATION)
    """Folder with Wan2.2's weights."""

    runs: Path = field(default=Path("runs/ablations"), metadata=_EVALUATION)
    """Folder of the runs and the tables."""

    workers: int | None = field(default=None, metadata=_EVALUATION)
    """Number of processes. Default: that of python -m hoibench.run."""

    record: bool = field(default=False, metadata=_EVALUATION)
    """Make the common start and the models of the first training in OUT, in float16, those of hoibench, and record the results of all trainings
    beside them and in docs/ablations.md. Without OUT the results of the models of hoibench are recorded."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """The device of the networks."""

    def __post_init__(self) -> None:
        if self.preset not in BASES:
            raise ValueError(f"--preset {self.preset}: expected one of {', '.join(BASES)}")
        for name in ("seeds", "samples", "processes", "steps", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} {value}: give a number of at least 1")
        if self.train and (self.out is None or not self.cache):
            raise ValueError("--train needs --cache CACHE, written by python -m reference_model.prepare, and --out OUT")
        if self.train and (self.record or self.limit is not None):
            raise ValueError("--train evaluates nothing: leave out --record and --limit")
        if not self.train and self.steps is not None and self.out is None:
            raise ValueError(f"--steps {self.steps} needs --out OUT, where --train wrote its trial")
        partial = self.limit is not None or self.steps is not None or self.samples != 3 or self.split != "test_seen"
        if self.record and (self.preset != "micro" or self.dataset != "synthetic" or partial):
            raise ValueError(
                "--record is for the rows of micro on all clips of synthetic's test_seen, completely trained: leave out --preset, --steps, --limit, "
                "--samples, --dataset and --split"
            )


def ablate_command(arguments: Sequence[str]) -> int:
    """Evaluate or train the rows, and return the exit code: 0, or that of a run or a training that failed."""
    options = parse(AblateOptions, arguments, PROGRAM)
    return _train(options) if options.train else _evaluate(options)


def _train(options: AblateOptions) -> int:
    from reference_model.ablations.trainings import Trainings, run_training

    assert options.out is not None, "checked by the options"
    create_output_folder(options.out)
    console = Console(stderr=True, emoji=False)
    shared = [word for folder in options.cache for word in ("--cache", str(folder))]
    shared += ["--device", options.device, "--engine", options.engine]
    shared += [] if options.wan is None else ["--wan", str(options.wan)]
    trainings = Trainings(options.preset, options.out, options.steps)
    for model, words in trainings.missing(range(options.seeds)):
        console.print(f"training {model}", markup=False, highlight=False, soft_wrap=True)
        if code := run_training([*words, *shared], options.processes):
            return code
    command = f"{_command(options)} --out {options.out}"
    console.print(f"all rows are trained; to evaluate them: {command}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _evaluate(options: AblateOptions) -> int:
    from hoibench.cli.run import run_command
    from reference_model.ablations.evaluation import DOCS, RECORDED, Evaluation, publish, record, write_report

    models = _find_models(options)
    runs = options.runs / (options.preset if options.limit is None else f"{options.preset}-{options.limit}-clips")
    create_output_folder(runs, "--runs")  # before the runs, which take long
    staged = _export(options, models, runs / "models") if options.record and options.out is not None else []
    if staged:
        models = [{name: folders[name] for name in found} for folders, found in zip(staged, models, strict=True)]
    clips = ["--dataset", options.dataset, "--split", options.split]
    clips += ["--seed", ",".join(map(str, range(options.samples)))]
    clips += [] if options.limit is None else ["--limit", str(options.limit)]
    flags = ["--device", options.device]
    for name in ("workers", "root", "weights"):
        value = getattr(options, name)
        flags += [] if value is None else [f"--{name}", str(value)]
    evaluation = Evaluation(options.preset, models, runs, clips, flags)
    code = max([run_command(words) for words in evaluation.run_arguments()])
    page = write_report(evaluation.run_folders, options.preset, runs)
    Console(emoji=False).out((runs / "ablations.md").read_text("utf-8") + str(page), highlight=False)
    if options.record and code:
        Console(stderr=True, emoji=False).print(
            "not recorded, since there were failures", markup=False, highlight=False
        )
    elif options.record:
        paths = {"OUT": options.out, "ROOT": options.root, "RUNS": options.runs, "WEIGHTS": options.weights}
        names = {str(path.absolute()): name for name, path in paths.items() if path}
        record(evaluation.run_folders, options.preset, RECORDED, DOCS, names)
        if staged:
            publish(staged[0])
    return code


def _export(options: AblateOptions, models: Sequence[Mapping[str, Path]], out: Path) -> list[dict[str, Path]]:
    """Write the models of each training in float16, with the first the common start; return their folders by name.

    Raises:
        ValueError: a training lacks a row.
    """
    from reference_model.ablations.evaluation import export_models
    from reference_model.ablations.trainings import Trainings

    assert options.out is not None, "only trained models are exported"
    for n, found in enumerate(models):
        if missing := [name for name in ROWS if name not in found]:
            raise ValueError(f"--record: training {n} has no {', '.join(missing)}: train all rows first")
    exported = []
    for n, found in enumerate(models):
        start = {} if n else {START: Trainings(options.preset, options.out).model_of(START, 0)}
        folders = {
            name: out / f"training-{n}" / (name if name == START else ROWS[name].trained) for name in (*start, *found)
        }
        exported.append(export_models({**start, **found}, folders))
    return exported


def _command(options: AblateOptions) -> str:
    """Return the command with the options that training and evaluation share, but for --out."""
    steps = "" if options.steps is None else f" --steps {options.steps}"
    return f"{PROGRAM} --preset {options.preset} --seeds {options.seeds}{steps}"


def _find_models(options: AblateOptions) -> list[dict[str, Path]]:
    """Return the models of each training by the row's name, and name the rows that have none.

    Raises:
        ValueError: no row has a model, or the models were trained differently.
    """
    from reference_model.ablations.evaluation import shipped_models
    from reference_model.ablations.trainings import Trainings

    if options.out is None:
        if options.seeds > 1:
            raise ValueError(f"--seeds {options.seeds} needs --out OUT: hoibench has the models of one training")
        models = [found] if (found := shipped_models(options.preset)) else []
    else:
        models = Trainings(options.preset, options.out, options.steps).find_models(range(options.seeds))
    if len(models) < options.seeds:
        found_in = options.out or "hoibench"
        command = f"{_command(options)} --train --cache CACHE --out OUT"
        raise ValueError(
            f"the rows of {options.preset} have the models of {len(models)} of {options.seeds} trainings in {found_in}: "
            f"train them by {command}, and give --out OUT"
        )
    console = Console(stderr=True, emoji=False)
    for n, found in enumerate(models):
        if missing := [name for name in ROWS if name not in found]:
            console.print(
                f"left out of training {n}, without a model: {', '.join(missing)}", markup=False, soft_wrap=True
            )
    return models


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with readable errors, and return its exit code (0 done, 1 crash, 2 usage, 3 failed clips, 75 stopped, 130 interrupted)."""
    logging.captureWarnings(True)
    return to_exit_code(ablate_command, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
