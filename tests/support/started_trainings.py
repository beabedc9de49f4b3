"""Start processes of tiny trainings (``training_process.py``), alone or two that train together, and read what they saw."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("training_process.py")


def asked(cache, out: Path, engine: str, training: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What a process is asked for; see ``training_process.py``."""
    return {"cache": str(cache.folder), "out": str(out), "engine": engine, "training": training or {}} | more


def start(*trainings: dict[str, Any], rank=0, size=1, port=0) -> subprocess.Popen[str]:
    """Start a process that carries out trainings one after another."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    if size > 1:
        environment |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    command = [sys.executable, str(SCRIPT), json.dumps(trainings)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_two(*trainings: dict[str, Any]) -> list[subprocess.Popen[str]]:
    """Start two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [start(*trainings, rank=rank, size=2, port=port) for rank in range(2)]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process, once it has ended."""
    told, _ = process.communicate(timeout=240)
    return process.returncode, told


def together(*trainings: dict[str, Any]) -> list[tuple[int, str]]:
    """Exit codes and outputs of two processes that train together."""
    return [ended(process) for process in start_two(*trainings)]


def seen(out: Path) -> list[dict[str, Any]]:
    """What each of two processes saw of a training."""
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]
