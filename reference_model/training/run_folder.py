"""The folder of a training: what it was begun with, which resuming must not change.

RUN/run.json            the model's and the training's configuration, seed, caches, engine
RUN/sessions.jsonl      each start: from which iteration, by how many processes, of which commit, on which machine
RUN/losses.jsonl        the loss curve; RUN/tensorboard/ has the same
RUN/checkpoints/        see ``checkpoints``
RUN/model/              the trained model, at the end
RUN/.lock               empty; locked while a training runs
"""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoibench.store import read_json, write_json
from hoibench.store.provenance import provenance
from reference_model.config import SyncMV4DConfig
from reference_model.saved_model import RECORD
from reference_model.training.config import TrainingConfig
from reference_model.training.engine import EngineName

log = logging.getLogger(__name__)

SCHEMA = "hoibench/training-run@1"
_RECORD, _LOCK = "run.json", ".lock"
_FREE = ("training.save_every", "training.keep", "training.log_every", "training.gradient_checkpointing")
"""What may differ from one session to the next: it changes no number."""


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
        with (self.path / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"another training is at work in {self.path}: end it, or give another --out") from None
            except OSError as error:  # some network file systems have no locks
                log.warning("%s cannot be locked (%s): let no other training write there", self.path, error)
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
        facts = {
            "model": asdict(model),
            "training": asdict(training),
            "engine": engine,
            "caches": dict(caches),
            "start": start,
        }
        now = json.loads(json.dumps(facts))
        path = self.path / _RECORD
        if not self._has_results():
            write_json(path, {"schema": SCHEMA, **now})
            return
        try:
            recorded = read_json(path, SCHEMA)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"{path} does not tell what the checkpoints beside it are of ({error}): put it back, or give another --out"
            ) from error
        before, after = (dict(_flat(each)) for each in (recorded, {"schema": SCHEMA, **now}))
        differences = [
            f"{name} was {before.get(name)}, now {after.get(name)}"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name) and name not in _FREE
        ]
        if differences:
            raise ValueError(
                f"{self.path} was begun otherwise ({'; '.join(differences)}): give the same again, or another --out"
            )

    def _has_results(self) -> bool:
        return self.finished or (self.checkpoints.is_dir() and any(self.checkpoints.glob("[0-9]*")))

    def note_session(self, iteration: int, processes: int) -> None:
        """Add a start to the list of them."""
        line = {"iteration": iteration, "processes": processes, **provenance()}
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else key)
    else:
        yield name, value
