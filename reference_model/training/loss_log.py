"""The loss curve as JSON lines and for TensorBoard; a resumed training continues it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from hoibench.store import write_bytes
from hoibench.store.records import Record, parse_record


class LossEntry(Record):
    """A line of the loss curve.

    Attributes:
        iteration: counted from 0.
        stage: its name.
        loss: the weighted sum of the losses.
        video, motion, scale, points, chamfer, scale_error: as ``reference_model.cycle.losses.Losses``.
        gradient_norm: of all gradients before clipping.
        learning_rate: of the joint diffusion model.
        seconds: duration of the iteration.
    """

    iteration: int
    stage: str
    loss: float
    video: float
    motion: float
    scale: float
    points: float
    chamfer: float
    scale_error: float
    gradient_norm: float
    learning_rate: float
    seconds: float

    def to_line(self) -> str:
        """Return the entry as a line of the file."""
        return json.dumps(self.to_json()) + "\n"


class LossLog:
    """Appends entries to the loss curve; created by ``open_loss_log``."""

    def __init__(self, path: Path, board: SummaryWriter) -> None:
        self._path, self._board = path, board

    def append(self, entry: LossEntry) -> None:
        """Append an entry to the file and to TensorBoard."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(entry.to_line())
        for name, value in entry.model_dump(exclude={"iteration", "stage"}).items():
            self._board.add_scalar(name, value, entry.iteration)


@contextmanager
def open_loss_log(path: Path, iteration: int) -> Iterator[LossLog]:
    """Continue the loss curve at ``path`` from an iteration; later entries, of a killed session, are removed."""
    entries = [entry for entry in read_losses(path) if entry.iteration < iteration]
    write_bytes(path, "".join(entry.to_line() for entry in entries).encode())
    board = SummaryWriter(str(path.parent / "tensorboard"), purge_step=iteration)
    try:
        yield LossLog(path, board)
    finally:
        board.close()


def read_losses(path: Path) -> list[LossEntry]:
    """Read a loss curve; an unfinished last line is ignored.

    Raises:
        ValueError: another line is invalid; names file and line.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [_parse_entry(f"{path}, line {number}", line) for number, line in enumerate(lines[:-1], 1)]


def _parse_entry(where: str, line: str) -> LossEntry:
    try:
        return parse_record(LossEntry, json.loads(line), where)
    except ValueError as error:
        raise ValueError(f"{where} is {line!r:.60}, expected an entry of the loss curve: delete the line") from error
