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
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.training.run_folder import RunFolder

TRAIN = "reference_model.train"


@dataclass(frozen=True)
class Trainings:
    """The trainings of the rows of a base.

    Attributes:
        base: the preset of which the rows are variants, such as ``micro``.
        folder: OUT.
        steps: iterations after which each training ends, for a trial; None for all of its launch configuration.
    """

    base: str
    folder: Path
    steps: int | None = None

    def run_of(self, row: str, seed: int) -> RunFolder:
        """Return the folder of the training of a row."""
        return RunFolder(self.folder / f"seed-{seed}" / ROWS[row].trained)

    @property
    def start(self) -> RunFolder:
        """The folder of the training of the common start."""
        return RunFolder(self.folder / START)

    def model_in(self, run: RunFolder) -> Path:
        """Return the folder of a training's model, which may not exist yet."""
        trial = None if self.steps is None else run.model_after(self.steps)
        return trial if trial is not None and not run.is_finished else run.model

    def missing(self, seeds: Sequence[int], *, from_wan: bool) -> Iterator[tuple[Path, list[str]]]:
        """Yield the folder of each model that is missing and the arguments of ``train`` that make it, in the order of training.

        Args:
            seeds: seeds of the trainings.
            from_wan: whether Wan2.2 itself is the common start, as for a base with its autoencoder and text encoder.
        """
        initial = "wan" if from_wan else str(self.model_in(self.start))
        if not from_wan:
            yield from self._missing_run(START, self.start, ["--initial", "random"])
        trained = dict.fromkeys(row.trained for row in ROWS.values())
        for seed in seeds:
            for row in trained:
                arguments = ["--initial", initial, "--seed", str(seed)]
                yield from self._missing_run(row, self.run_of(row, seed), arguments)

    def _missing_run(self, row: str, run: RunFolder, arguments: Sequence[str]) -> Iterator[tuple[Path, list[str]]]:
        model = self.model_in(run)
        if not (model / METADATA_FILE).is_file():
            flags = ["--preset", f"{self.base}-{row}", "--out", str(run.path), *arguments]
            yield model, flags if self.steps is None else [*flags, "--iterations", str(self.steps)]


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
