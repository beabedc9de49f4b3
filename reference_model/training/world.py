"""The processes of a training, as torchrun or deepspeed started them: each knows its rank, and what all must agree on is summed."""

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
class World:
    """This process among all of them."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def summed(self, numbers: Tensor) -> Tensor:
        """The sum over all processes, on the CPU."""
        numbers = numbers.to(self.device)
        if self.size > 1:
            dist.all_reduce(numbers)
        return numbers.cpu()

    def gathered(self, value: Any) -> list[Any]:
        """A small value of every process, by rank."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def agreed(self, value: Any) -> Any:
        """The leading process's value, on every process: what each reads by itself may differ, as on a network file system."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around what processes do each for itself: all go on when all have done it, and where one fails all end with its error.

        Without that the others would wait for a process that has ended.  Nothing inside may wait for other processes.
        """
        own = None
        try:
            yield
        except Exception as error:
            own = error
        told = self.gathered(None if own is None else _plain(own))
        if own is not None:
            raise own
        for error in told:
            if error is not None:
                raise error

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that the environment tells of (RANK, LOCAL_RANK, WORLD_SIZE); without it there is one.

    Args:
        device: ``cpu`` or ``cuda``; gloo or nccl.

    Raises:
        Crash: another process ended in the midst of what all take part in.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    backend = "nccl" if device == "cuda" else "gloo"
    if size > 1:
        dist.init_process_group(backend)
    else:  # DeepSpeed asks for a group, if of one
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield World(rank, size, place)
    except RuntimeError as error:
        if not (size > 1 and tells_of_a_lost_process(error)):
            raise
        raise Crash(
            f"process {rank} lost another one, which ended before it: the message of that one says why"
        ) from None
    finally:
        dist.destroy_process_group()


def _plain(error: Exception) -> Exception:
    """The same words as an error that any process can take; classes of our own do not always travel."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, error.filename)
    if isinstance(error, ValueError):
        return ValueError(str(error))
    return Crash(str(error) if isinstance(error, Crash) else f"{type(error).__name__}: {error}")


def tells_of_a_lost_process(error: Exception) -> bool:
    """Whether an error says that another process has ended; gloo has no class for it, only where it was noticed."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)
