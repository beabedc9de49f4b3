"""The folder of the trainings of the rows of Tables 3 and 4: its layout, and the commands that train what is missing.

OUT/start is the common start, OUT/seed-S/ROW the training of a row with seed S, each the run folder of one ``python -m reference_model.train``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_model.ablations.rows import ROWS, START
from reference_model.config import preset
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.training.config import launch_file, read_launch
from reference_model.training.run_folder import RunFolder

TRAIN = "reference_model.train"


@dataclass(frozen=True)
class Trainings:
    """The trainings of the rows of a base.

    Attributes:
        base: the preset of which the rows are variants, such as ``micro``.
        folder: OUT.
        steps: iterations after which each training ends, for a trial, unless it has no more; None for all of its launch configuration.
    """

    base: str
    folder: Path
    steps: int | None = None

    def run_of(self, row: str, seed: int) -> RunFolder:
        """Return the folder of the training of a row, or of the common start, which has one seed."""
        return RunFolder(self.folder / START if row == START else self.folder / f"seed-{seed}" / ROWS[row].trained)

    def model_of(self, row: str, seed: int) -> Path:
        """Return the folder of the model of a row's training, which may not exist yet: of the trial, unless the training has ended."""
        run = self.run_of(row, seed)
        ends_early = self.steps is not None and self.steps < self._iterations(row) and not run.is_finished
        return run.model_after(self.steps) if ends_early else run.model

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

    Args:
        arguments: its arguments.
        processes: number of processes that train together.
    """
    launcher = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    threads = {} if processes == 1 else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, "-m", *launcher, TRAIN, *arguments]
    return subprocess.run(command, check=False, env=os.environ | threads).returncode  # noqa: S603  (our own command)
