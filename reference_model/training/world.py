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

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that the environment tells of (RANK, LOCAL_RANK, WORLD_SIZE); without it there is one.

    Args:
        device: ``cpu`` or ``cuda``; gloo or nccl.
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
    finally:
        dist.destroy_process_group()
