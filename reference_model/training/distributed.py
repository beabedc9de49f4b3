"""Communication between the processes of a distributed training, which torchrun or deepspeed started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hoibench.errors import Crash


@dataclass(frozen=True)
class Processes:
    """The processes of a training, with collective operations in which all of them take part.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        device: device of this process.

    Every process must call the collective operations in the same order; with one process they return at once.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """True in the process of rank 0, which alone writes shared files and messages."""
        return self.rank == 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, on the CPU; the tensor has the same shape in each."""
        values = values.to(self.device)
        if self.size > 1:
            dist.all_reduce(values)
        return values.cpu()

    def all_gather(self, value: Any) -> list[Any]:
        """Return the list of the values that the processes passed, by rank; values must pickle and be small."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return, in every process, the value that the main process passed; for example what it read from a file that others may not see yet."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    @contextmanager
    def raise_together(self) -> Iterator[None]:
        """Run the ``with`` block, and wait until every process has run it; if it fails in one, raise an error of the same text in all.

        Without this the others would wait for a process that has ended.  The block must not contain collective operations.
        """
        own = None
        try:
            yield
        except Exception as error:
            own = error
        errors = self.all_gather(None if own is None else _to_picklable(own))
        if own is not None:
            raise own
        for error in errors:
            if error is not None:
                raise error

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def init_distributed(device: str) -> Iterator[Processes]:
    """Connect to the other processes of a training for the duration of the ``with`` block; yield the ``Processes``.

    The environment variables RANK, LOCAL_RANK and WORLD_SIZE describe the processes; without them there is one.

    Args:
        device: ``cpu`` (gloo) or ``cuda`` (nccl).

    Raises:
        Crash: another process ended during a collective operation.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    own_device = torch.device(device)
    if device == "cuda":
        own_device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(own_device)
    backend = "nccl" if device == "cuda" else "gloo"
    if size > 1:
        dist.init_process_group(backend)
    else:  # DeepSpeed needs a group, even of one process
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield Processes(rank, size, own_device)
    except RuntimeError as error:
        if not (size > 1 and is_lost_process(error)):
            raise
        raise Crash(f"process {rank}: another process ended unexpectedly; its own message says why") from None
    finally:
        dist.destroy_process_group()


def is_lost_process(error: Exception) -> bool:
    """Return whether an error means that another process has ended; gloo raises a plain RuntimeError, known by the path of its source file."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)


def _to_picklable(error: Exception) -> Exception:
    """Return an OSError, ValueError or Crash with the text of ``error``, which can be pickled; other classes may not."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, error.filename)
    if isinstance(error, ValueError):
        return ValueError(str(error))
    return Crash(str(error) if isinstance(error, Crash) else f"{type(error).__name__}: {error}")
