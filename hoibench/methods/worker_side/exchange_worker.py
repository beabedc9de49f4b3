"""The main loop of a worker: reads request.json of an exchange folder, and writes response.json after each request.

A worker is a script that runs in the environment and in the folder of the code that it wraps, by ``python worker.py EXCHANGE_FOLDER UPSTREAM``
(without UPSTREAM, modules are imported from the script's folder, as usual):

    import exchange_worker

    def answer(request, folder):
        exchange_worker.run_script("run.py", ["--video", folder / request["views"][0]["video"], "--out", folder / "out.npz"])
        return [{"view": request["views"][0]["id"], "geometry": "out.npz"}]

    if __name__ == "__main__":
        exchange_worker.main(answer, packages=["torch", "numpy"])
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterable

Json = Dict[str, Any]

_SEEDED = """
import os, random, runpy, sys
seed, *sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
import numpy, torch
random.seed(int(seed)), numpy.random.seed(int(seed) % 2**32), torch.manual_seed(int(seed))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main(answer: Callable[[Json, Path], list[Json]], packages: Iterable[str] = ()) -> None:
    """Answer all requests that have no result yet.

    Args:
        answer: returns the outputs of a request, whose files it writes into the exchange folder; what it raises is the reason of a failure.
        packages: names of the packages whose versions are reported.
    """
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        sys.path[0] = sys.argv[2]  # not this script's folder
    os.environ.pop("PYTHONPATH", None)
    requests = json.loads((folder / "request.json").read_text(encoding="utf-8"))["requests"]
    response = folder / "response.json"
    results = json.loads(response.read_text(encoding="utf-8"))["results"] if response.exists() else []
    done = {result["id"] for result in results}
    for request in requests:
        if request["id"] not in done:
            results.append(_answer(answer, request, folder))
            _write(response, results, packages)


def _answer(answer: Callable[[Json, Path], list[Json]], request: Json, folder: Path) -> Json:
    start = time.monotonic()
    try:
        result: Json = {"status": "ok", "outputs": answer(request, folder)}
    except (Exception, SystemExit) as error:
        if not isinstance(error, ScriptFailed):  # the script's own last lines say more
            traceback.print_exc()
        result = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"id": request["id"], "seconds": round(time.monotonic() - start, 3), **result}


def _write(path: Path, results: list[Json], packages: Iterable[str]) -> None:
    """Write response.json by renaming a complete file."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    has_gpu = cuda is not None and cuda.is_available()
    value = {
        "schema": "hoibench/exchange-response@1",
        "results": results,
        "python": platform.python_version(),
        "packages": {name: version for name in packages for version in [_version(name)] if version is not None},
        "gpu": cuda.get_device_name() if cuda is not None and has_gpu else None,
        "peak_gpu_mb": cuda.max_memory_allocated() >> 20 if cuda is not None and has_gpu else None,
    }
    temporary = path.with_name(".response.json")
    temporary.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
    temporary.replace(path)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hub_cache() -> str:
    """Return the folder of models from Hugging Face, for scripts that would download them elsewhere."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "huggingface")
    return os.environ.get("HF_HUB_CACHE", str(Path(home) / "hub"))


class ScriptFailed(RuntimeError):
    """A script has not ended with exit code 0; what it printed last says why."""


def as_words(flags: Json) -> list[object]:
    """Return the command-line words of flags with values: ``--name value`` for each."""
    return [word for name, value in flags.items() for word in ("--" + name, value)]


def run_script(script: str, arguments: Iterable[object], seed: int | None = None) -> None:
    """Run a script of the upstream code with this interpreter, in the working folder, with closed standard input.

    Args:
        script: its path.
        arguments: its arguments.
        seed: seed of the global generators of Python, NumPy and torch, for a script that does not set them; None leaves them alone.

    Raises:
        ScriptFailed: it has not ended with exit code 0.
    """
    start = [] if seed is None else ["-c", _SEEDED, str(seed)]
    command = [sys.executable, *start, script, *map(str, arguments)]
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    if code != 0:
        raise ScriptFailed(f"{script} has ended with exit code {code}: its last output says why")
