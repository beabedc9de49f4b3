"""The folder of the trainings of the rows of Tables 3 and 4: its layout, and the commands that train what is missing.

OUT/start is the common start, OUT/seed-S/ROW the training of a row with seed S, each the run folder of one ``python -m reference_model.train``.
Trials of N iterations have the same folders in OUT/steps-N.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from reference_model.ablations.rows import ROWS, START
from reference_model.config import preset
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.train import EXIT_STOPPED
from reference_model.training.config import launch_file, read_launch
from reference_model.training.run_folder import MAY_CHANGE, RunFolder

TRAIN = "reference_model.train"


@dataclass(frozen=True)
class Trainings:
    """The trainings of the rows of a base.

    Attributes:
        base: the preset of which the rows are variants, such as ``micro``.
        folder: OUT.
        steps: iterations after which each training ends, for a trial, or earlier if it has no more; None for all of its launch configuration.
    """

    base: str
    folder: Path
    steps: int | None = None

    def run_of(self, row: str, seed: int) -> RunFolder:
        """Return the folder of the training of a row, or of the common start, which has one seed."""
        folder = self.folder if self.steps is None else self.folder / f"steps-{self.steps}"
        return RunFolder(folder / START if row == START else folder / f"seed-{seed}" / ROWS[row].trained)

    def model_of(self, row: str, seed: int) -> Path:
        """Return the folder of the model of a row's training, which may not exist yet."""
        run = self.run_of(row, seed)
        ends_early = self.steps is not None and self.steps < self._iterations(row)
        return run.model_after(self.steps) if ends_early else run.model

    def find_models(self, seeds: Sequence[int]) -> list[dict[str, Path]]:
        """Return the folders of the rows' models, by name of the row, of each seed that has any.

        Raises:
            ValueError: a model is of another preset, or rows were trained differently; names both.
        """
        found = []
        for seed in seeds:
            paths = {name: self.model_of(name, seed) for name in ROWS}
            found.append({name: path for name, path in paths.items() if (path / METADATA_FILE).is_file()})
        self._check_alike(
            [self.run_of(name, seed) for seed, models in zip(seeds, found, strict=True) for name in models]
        )
        return [models for models in found if models]

    def _check_alike(self, runs: Sequence[RunFolder]) -> None:
        """Check that trainings are of the rows' presets, and differ in the row and the seed alone."""
        first: tuple[RunFolder, dict[str, Any]] | None = None
        for run in runs:
            settings = run.read_settings()
            if settings.model != preset(f"{self.base}-{run.path.name}"):
                raise ValueError(
                    f"{run.path} is not of {self.base}-{run.path.name}: give its --preset, or another --out"
                )
            ignored = {"training.seed", *MAY_CHANGE}
            alike = {
                "launch configuration": {
                    name: value
                    for name, value in asdict(settings.training).items()
                    if f"training.{name}" not in ignored
                },
                "latent caches": settings.caches,
                "start": settings.start,
                "engine": settings.engine,
                "number of processes": {session.processes for session in run.read_sessions()},
            }
            first = first or (run, alike)
            if differing := [name for name, value in alike.items() if value != first[1][name]]:
                raise ValueError(
                    f"{run.path} and {first[0].path} were trained with another {' and '.join(differing)}: delete one of them, and train it again"
                )

    def missing(self, seeds: Sequence[int]) -> Iterator[tuple[Path, list[str]]]:
        """Yield the folder of each model that is missing and the arguments of ``train`` that make it, in the order of training.

        A base on Wan2.2 starts from it, others have a common start of their own.

        Args:
            seeds: seeds of the trainings.
        """
        initial = "wan"
        if preset(self.base).parts != "wan":
            initial = str(self.model_of(START, 0))
            yield from self._missing_run(START, 0, ["--initial", "random"])
        trained = dict.fromkeys(row.trained for row in ROWS.values())
        for seed in seeds:
            for row in trained:
                yield from self._missing_run(row, seed, ["--initial", initial, "--seed", str(seed)])

    def _missing_run(self, row: str, seed: int, arguments: Sequence[str]) -> Iterator[tuple[Path, list[str]]]:
        run, model = self.run_of(row, seed), self.model_of(row, seed)
        if not (model / METADATA_FILE).is_file():
            trial = [] if model == run.model else ["--iterations", str(self.steps)]
            yield model, ["--preset", f"{self.base}-{row}", "--out", str(run.path), *arguments, *trial]

    def _iterations(self, row: str) -> int:
        """Return the number of iterations of a complete training."""
        name = f"{self.base}-{row if row == START else ROWS[row].trained}"
        return read_launch(launch_file(name), preset(name)).training.iterations


def run_training(arguments: Sequence[str], processes: int) -> int:
    """Run ``python -m reference_model.train`` in processes of its own, and return its exit code.

    Ctrl-C and SIGTERM are left to it, so that it ends with a checkpoint; the exit code is then ``EXIT_STOPPED``.  It is called in the main thread.

    Args:
        arguments: its arguments.
        processes: number of processes that train together.
    """
    launcher = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    threads = {} if processes == 1 else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, "-m", *launcher, TRAIN, *arguments]
    received: list[int] = []
    with subprocess.Popen(command, env=os.environ | threads) as process:  # noqa: S603  (our own command)

        def pass_on(number: int, _: FrameType | None) -> None:
            received.append(number)
            if number == signal.SIGTERM:  # a terminal sends Ctrl-C to all processes
                process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return EXIT_STOPPED if code and received else code
