"""The loss curve of a training run, written as JSON lines and for TensorBoard; a resumed training continues it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from hoibench.store import write_bytes
from hoibench.store.records import Record, parse_record


class LossEntry(Record):
    """The losses of one iteration, means over all processes; a line of the loss curve's file.

    Attributes:
        iteration: counted from 0.
        stage: name of the stage of training.
        loss: the weighted sum of the losses.
        video, motion, depth_range, points, chamfer, depth_range_error: the losses by name, see ``reference_model.cycle.losses.Losses``.
        mjd_gradient_norm, dpa_gradient_norm: norms of the gradients of the joint diffusion model and of the points aligner, before clipping.
        learning_rate: learning rate of the joint diffusion model.
        seconds: duration of the iteration.
    """

    iteration: int
    stage: str
    loss: float
    video: float
    motion: float
    depth_range: float
    points: float
    chamfer: float
    depth_range_error: float
    mjd_gradient_norm: float
    dpa_gradient_norm: float
    learning_rate: float
    seconds: float

    def to_line(self) -> str:
        """Return the entry as a line of JSON, with its line break."""
        return json.dumps(self.to_json()) + "\n"


class LossLog:
    """Writer of a loss curve, to its file and to TensorBoard; created by ``open_loss_log``."""

    def __init__(self, path: Path, board: SummaryWriter) -> None:
        self._path, self._board = path, board

    def append(self, entry: LossEntry) -> None:
        """Append an iteration's losses to the file and to TensorBoard."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(entry.to_line())
        for name, value in entry.model_dump(exclude={"iteration", "stage"}).items():
            self._board.add_scalar(name, value, entry.iteration)


@contextmanager
def open_loss_log(path: Path, iteration: int) -> Iterator[LossLog]:
    """Yield a writer that continues the loss curve in the file ``path`` from an iteration.

    Entries of this and later iterations, which a killed session wrote after its last checkpoint, are removed.
    """
    entries = [entry for entry in read_losses(path) if entry.iteration < iteration]
    write_bytes(path, "".join(entry.to_line() for entry in entries).encode())
    board = SummaryWriter(str(path.parent / "tensorboard"), purge_step=iteration)
    try:
        yield LossLog(path, board)
    finally:
        board.close()


def read_losses(path: Path) -> list[LossEntry]:
    """Read the entries of a loss curve's file; none if it does not exist.  An unfinished last line is ignored.

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
