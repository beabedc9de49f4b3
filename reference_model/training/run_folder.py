"""The folder of a training: what it was begun with, which resuming must not change.

RUN/run.json            the model's and the training's configuration, seed, caches, engine
RUN/sessions.jsonl      each start: from which iteration, by how many processes, of which commit, on which machine
RUN/losses.jsonl        the loss curve; RUN/tensorboard/ has the same
RUN/checkpoints/        see ``checkpoints``
RUN/model/              the trained model, at the end
RUN/.lock               empty; locked while a training runs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoibench.store.provenance import provenance
from hoibench.store.records import Record
from hoibench.store.sealed_folder import locked, refuse_other_settings
from reference_model.config import SyncMV4DConfig
from reference_model.config_json import WholeConfig
from reference_model.saved_model import RECORD
from reference_model.training.config import TrainingConfig
from reference_model.training.engine import EngineName

_RECORD, _LOCK = "run.json", ".lock"
_FREE = ("training.save_every", "training.keep", "training.log_every", "training.gradient_checkpointing")
"""What may differ from one session to the next: it changes no number."""


class RunSettings(Record):
    """The settings that a training begins with.

    Attributes:
        model, training: their configurations.
        engine: that carries it out.
        caches: id of each latent cache by its size, HxW.
        start: what the weights were at first.
    """

    SCHEMA = "hoibench/training-run@2"

    model: WholeConfig
    training: TrainingConfig
    engine: EngineName
    caches: dict[str, str]
    start: str


class Session(Record):
    """A start of a training: from which iteration, by how many processes, of which commit, on which machine."""

    iteration: int
    processes: int
    provenance: dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """Where a training keeps what it writes."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """A folder of checkpoints by iteration."""
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
    def finished(self) -> bool:
        """Whether the trained model is there, which is whole or not there and the last thing that a training writes."""
        return (self.model / RECORD).is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings out of the folder until the block or the process ends, however it ends.

        Raises:
            ValueError: another training is at work in it.
        """
        with locked(self.path / _LOCK, wait=False) as ours:
            if not ours:
                raise ValueError(f"another training is at work in {self.path}: end it, or give another --out")
            yield

    def claim(
        self, model: SyncMV4DConfig, training: TrainingConfig, engine: EngineName, caches: Mapping[str, str], start: str
    ) -> None:
        """Write down what the training is begun with, or hold it to what was.

        Until the first checkpoint nothing depends on what was written: a start that failed, say for want of memory, may be given otherwise.
        So call this while the folder is ``held``.

        Args:
            model: its configuration.
            training: its configuration.
            engine: that carries it out.
            caches: id of each latent cache by its size, HxW.
            start: what the weights were at first.

        Raises:
            ValueError: the folder was begun with something else, which is listed, or nobody knows with what.
        """
        settings = RunSettings(model=model, training=training, engine=engine, caches=dict(caches), start=start)
        path = self.path / _RECORD
        if not self._has_results():
            settings.write(path)
            return
        try:
            recorded = RunSettings.read(path)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"{path} does not tell what the checkpoints beside it are of ({error}): put it back, or give another --out"
            ) from error
        fix = "give the same again, or another --out"
        refuse_other_settings(path, recorded, settings.to_json(), fix=fix, free=_FREE)

    def _has_results(self) -> bool:
        return self.finished or (self.checkpoints.is_dir() and any(self.checkpoints.glob("[0-9]*")))

    def note_session(self, iteration: int, processes: int) -> None:
        """Add a start to the list of them."""
        session = Session(iteration=iteration, processes=processes, provenance=provenance())
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(session.to_json()) + "\n")
