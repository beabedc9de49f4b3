"""Start processes of tiny trainings (``training_process.py``), one or two that train together, and read their reports."""

from __future__ import annotations

import itertools
import json
import socket
from pathlib import Path
from typing import Any

from fork_server import Forked, fork_call

_NUMBER = itertools.count()


def training_options(
    cache, out: Path, engine: str, training: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the options of a training; see ``training_process.py``."""
    return {"cache": str(cache.folder), "out": str(out), "engine": engine, "training": training or {}} | more


def start(*trainings: dict[str, Any], rank=0, size=1, port=0) -> Forked:
    """Start a process that runs trainings one after another."""
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = {name: str(value) for name, value in ranks.items()} if size > 1 else {}
    output = Path(f"{trainings[0]['out']}-output-{next(_NUMBER)}")
    return fork_call("training_process:main", list(trainings), output=output, env=environment)


def start_two(*trainings: dict[str, Any]) -> list[Forked]:
    """Start two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [start(*trainings, rank=rank, size=2, port=port) for rank in range(2)]


def wait(process: Forked) -> tuple[int, str]:
    """Wait for a process and return its exit code and output."""
    return process.wait(), process.output_text


def run_two(*trainings: dict[str, Any]) -> list[tuple[int, str]]:
    """Run two processes that train together and return their exit codes and outputs."""
    return [wait(process) for process in start_two(*trainings)]


def read_reports(out: Path) -> list[dict[str, Any]]:
    """Read the reports of two processes about a training."""
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]
