"""The loss curve, as JSON lines and for TensorBoard: one curve, however often the training was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from hoibench.store import write_bytes


class LossLog:
    """Writes points of the curve; opened by ``loss_log``."""

    def __init__(self, path: Path, board: SummaryWriter) -> None:
        self._path, self._board = path, board

    def write(self, iteration: int, stage: str, numbers: Mapping[str, float]) -> None:
        """Add the point of an iteration, on disk before this returns to the caller's next step."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"iteration": iteration, "stage": stage, **numbers}) + "\n")
        for name, value in numbers.items():
            self._board.add_scalar(name, value, iteration)


@contextmanager
def loss_log(path: Path, iteration: int) -> Iterator[LossLog]:
    """Go on with the curve at ``path`` from an iteration: points from there on, of a session that was killed, are taken out."""
    kept = [line for line in read_losses(path) if line["iteration"] < iteration]
    write_bytes(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
    board = SummaryWriter(str(path.parent / "tensorboard"), purge_step=iteration)
    try:
        yield LossLog(path, board)
    finally:
        board.close()


def read_losses(path: Path) -> list[dict[str, Any]]:
    """The points of a curve; a last line that was not finished is left out.

    Raises:
        ValueError: another line is no point; names file and line.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [
        _point(path, number, line) for number, line in enumerate(lines[:-1], 1)
    ]  # behind the last break: unfinished


def _point(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        point = json.loads(line)
    except ValueError:
        point = None
    if not (isinstance(point, dict) and isinstance(point.get("iteration"), int)):
        raise ValueError(f"{path}, line {number} is {line!r:.60}, expected a point of the loss curve: delete the line")
    return point
