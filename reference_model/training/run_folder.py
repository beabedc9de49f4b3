"""The folder of a training run, and the settings that resuming must not change.

RUN/run.json            ``RunSettings``: configurations of model and training, seed, caches, engine
RUN/sessions.jsonl      a ``Session`` for each start of the training: iteration, processes, commit, machine
RUN/losses.jsonl        the loss curve; RUN/tensorboard/ has the same
RUN/checkpoints/        weights and optimizer state, see ``reference_model.training.checkpoints``
RUN/model/              the trained model, at the end; RUN/model-ITERATIONS/ the model after a session with a smaller number of iterations
RUN/.lock               empty; locked while a training runs
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoibench.store.folder_settings import check_settings
from hoibench.store.locks import locked
from hoibench.store.provenance import provenance
from hoibench.store.records import Record
from reference_model.config.changes import CompleteConfig
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.training.config import TrainingConfig
from reference_model.training.engine import EngineName

_RUN, _LOCK = "run.json", ".lock"
MAY_CHANGE = (
    "training.save_every",
    "training.keep_checkpoints",
    "training.log_every",
    "training.gradient_checkpointing",
)
"""Settings that may change when a run resumes, since they change no weight or loss."""


class RunSettings(Record):
    """The settings of a training run, stored in its ``run.json``.

    Attributes:
        model, training: configurations of the model and of its training.
        engine: name of the training engine, ``ddp`` or ``zero3``.
        caches: id of the settings of each latent cache, by its video size as text ("480x704").
        start: initial weights: ``wan``, ``random``, or ``model`` and the digest of the common start of the ablations.
    """

    SCHEMA = "hoibench/training-run@5"

    model: CompleteConfig
    training: TrainingConfig
    engine: EngineName
    caches: dict[str, str]
    start: str


class Session(Record):
    """One start of a training, stored as a line of ``sessions.jsonl``.

    Attributes:
        iteration: first iteration of the session, counted from 0.
        processes: number of processes.
        provenance: commit, machine and the like, see ``hoibench.store.provenance``.
    """

    iteration: int
    processes: int
    provenance: dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run, and the paths of its contents."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Path of the folder that contains the checkpoints."""
        return self.path / "checkpoints"

    @property
    def losses(self) -> Path:
        """Path of the loss curve's file."""
        return self.path / "losses.jsonl"

    @property
    def model(self) -> Path:
        """Path of the trained model's folder, which the end of the training creates."""
        return self.path / "model"

    def model_after(self, iterations: int) -> Path:
        """Return the path of the model's folder after a session with a smaller number of iterations than the training has."""
        return self.path / f"{self.model.name}-{iterations:08d}"

    @property
    def is_finished(self) -> bool:
        """True if the trained model exists; it is written last, and complete or absent."""
        return (self.model / METADATA_FILE).is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other trainings until the ``with`` block or the process ends.

        Raises:
            ValueError: another training is using it.
        """
        with locked(self.path / _LOCK, wait=False) as is_ours:
            if not is_ours:
                raise ValueError(f"another training is running in {self.path}: stop it, or give another --out")
            yield

    def read_settings(self) -> RunSettings:
        """Read the settings of the run.

        Raises:
            FileNotFoundError: the folder is not a run's.
            ValueError: the file is damaged or of another version.
        """
        try:
            return RunSettings.read(self.path / _RUN)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{self.path / _RUN}: no such file. Expected the folder of a training, --out of python -m reference_model.train"
            ) from None

    def ensure_settings(self, settings: RunSettings) -> None:
        """Write the settings of a new run to its folder, or check that a resumed run has the same.

        Until the first checkpoint nothing depends on them, so a start that failed may be repeated with other settings.
        Call this while the folder is ``locked``.

        Raises:
            ValueError: the run has other settings, which are listed, or ``run.json`` is missing, damaged or of another version.
        """
        path = self.path / _RUN
        if not self._has_results():
            settings.write(path)
            return
        try:
            recorded = RunSettings.read(path)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"cannot read {path}, the settings of the checkpoints there ({error}): restore it, or give another --out"
            ) from error
        fix = "give the same settings, or another --out"
        check_settings(path, recorded, settings.to_json(), fix=fix, ignored=MAY_CHANGE)

    def _has_results(self) -> bool:
        return self.is_finished or (self.checkpoints.is_dir() and any(self.checkpoints.glob("[0-9]*")))

    def read_sessions(self) -> list[Session]:
        """Read the starts of the training in ``sessions.jsonl``."""
        lines = (self.path / "sessions.jsonl").read_text("utf-8").splitlines()
        return [Session(**json.loads(line)) for line in lines]

    def append_session(self, iteration: int, processes: int) -> None:
        """Append a start of the training to ``sessions.jsonl``: its first iteration, processes, commit and machine."""
        session = Session(iteration=iteration, processes=processes, provenance=provenance())
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(session.to_json()) + "\n")
