"""The folder of a training run, and the settings that resuming must not change.

RUN/run.json            ``RunSettings``: configurations of model and training, seed, caches, engine
RUN/sessions.jsonl      a ``Session`` for each start: iteration, processes, commit, machine
RUN/losses.jsonl        the loss curve; RUN/tensorboard/ has the same
RUN/checkpoints/        see ``checkpoints``
RUN/model/              the trained model, at the end
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
from reference_model.loading.saved_model import METADATA_FILE
from reference_model.training.config import TrainingConfig
from reference_model.training.engine import EngineName

_RUN, _LOCK = "run.json", ".lock"
_MAY_CHANGE = (
    "training.save_every",
    "training.keep_checkpoints",
    "training.log_every",
    "training.gradient_checkpointing",
)
"""Settings that may differ between sessions, since they change no number."""


class RunSettings(Record):
    """The settings of a training run.

    Attributes:
        model, training: their configurations.
        engine: its name.
        caches: id of each latent cache by its size, HxW.
        start: the initial weights.
    """

    SCHEMA = "hoibench/training-run@3"

    model: CompleteConfig
    training: TrainingConfig
    engine: EngineName
    caches: dict[str, str]
    start: str


class Session(Record):
    """One start of a training: first iteration, number of processes, commit and machine."""

    iteration: int
    processes: int
    provenance: dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def losses(self) -> Path:
        """The loss curve."""
        return self.path / "losses.jsonl"

    @property
    def model(self) -> Path:
        """The trained model's folder."""
        return self.path / "model"

    @property
    def is_finished(self) -> bool:
        """True if the trained model is there; it is the last thing written, and complete or absent."""
        return (self.model / METADATA_FILE).is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings out of the folder until the block or the process ends.

        Raises:
            ValueError: another training is using it.
        """
        with locked(self.path / _LOCK, wait=False) as is_ours:
            if not is_ours:
                raise ValueError(f"another training is running in {self.path}: stop it, or give another --out")
            yield

    def ensure_settings(self, settings: RunSettings) -> None:
        """Record the settings of a new run, or check that a resumed one has the same.

        Until the first checkpoint nothing depends on them, so a failed start may be repeated with others.
        Call this while the folder is ``locked``.

        Raises:
            ValueError: the run has other settings, which are listed, or its record is missing or damaged.
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
        check_settings(path, recorded, settings.to_json(), fix=fix, ignored=_MAY_CHANGE)

    def _has_results(self) -> bool:
        return self.is_finished or (self.checkpoints.is_dir() and any(self.checkpoints.glob("[0-9]*")))

    def append_session(self, iteration: int, processes: int) -> None:
        """Append a start to the list of sessions."""
        session = Session(iteration=iteration, processes=processes, provenance=provenance())
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(session.to_json()) + "\n")
