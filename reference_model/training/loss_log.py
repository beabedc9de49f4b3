"""The loss curve, as JSON lines and for TensorBoard: one curve, however often the training was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from hoibench.store import write_bytes
from hoibench.store.records import Record, parse_record


class LossPoint(Record):
    """A line of the curve: an iteration, counted from 0, and its numbers.

    Attributes:
        iteration, stage: which.
        loss: the weighted sum of the losses.
        video, motion, scale, points, chamfer, scale_error: as ``reference_model.cycle.losses.Losses``.
        gradient: the norm of all gradients before clipping.
        rate: the learning rate of the joint diffusion model.
        seconds: that it took.
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
    gradient: float
    rate: float
    seconds: float

    def to_line(self) -> str:
        """The point as a line of the file."""
        return json.dumps(self.to_json()) + "\n"


class LossLog:
    """Writes points of the curve; opened by ``loss_log``."""

    def __init__(self, path: Path, board: SummaryWriter) -> None:
        self._path, self._board = path, board

    def write(self, point: LossPoint) -> None:
        """Add a point, on disk before this returns to the caller's next step."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(point.to_line())
        for name, value in point.model_dump(exclude={"iteration", "stage"}).items():
            self._board.add_scalar(name, value, point.iteration)


@contextmanager
def loss_log(path: Path, iteration: int) -> Iterator[LossLog]:
    """Go on with the curve at ``path`` from an iteration: points from there on, of a session that was killed, are taken out."""
    kept = [point for point in read_losses(path) if point.iteration < iteration]
    write_bytes(path, "".join(point.to_line() for point in kept).encode())
    board = SummaryWriter(str(path.parent / "tensorboard"), purge_step=iteration)
    try:
        yield LossLog(path, board)
    finally:
        board.close()


def read_losses(path: Path) -> list[LossPoint]:
    """The points of a curve; a last line that was not finished is left out.

    Raises:
        ValueError: another line is no point; names file and line.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    # Behind the last break: unfinished.
    return [_point(f"{path}, line {number}", line) for number, line in enumerate(lines[:-1], 1)]


def _point(where: str, line: str) -> LossPoint:
    try:
        return parse_record(LossPoint, json.loads(line), where)
    except ValueError as error:
        raise ValueError(f"{where} is {line!r:.60}, expected a point of the loss curve: delete the line") from error
