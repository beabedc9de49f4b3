"""The base class of methods whose code runs in an environment of its own: it writes requests, runs a worker there, and reads what the worker made."""

from __future__ import annotations

import os
import shlex
import shutil
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hoibench.clip import Prediction, Request
from hoibench.method_key import method_key
from hoibench.methods import worker_side
from hoibench.methods.command import CommandFailed, Limits, outer_environment, run_command
from hoibench.methods.exchange import (
    REQUEST_FILE,
    RESPONSE_FILE,
    ExchangeRequest,
    ExchangeResult,
    RequestFile,
    ResponseFile,
    read_response,
)
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.needs import find_needs
from hoibench.problems import Problem
from hoibench.store import sha256_file
from hoibench.store.atomic import free_bytes
from hoibench.store.provenance import git_state

_RESERVE_BYTES = 1 << 30
"""The part of a large disk that a worker's largest file leaves free."""


class UpstreamMethod(Method):
    """A method whose code runs in an environment of its own.

    A subclass writes the inputs of the code (``make_requests``) and makes a prediction of its outputs (``read_outputs``).  Its ``worker`` runs in
    between, with the interpreter ``python`` and the folder ``upstream`` of its settings, and keeps to the contract of ``hoibench.methods.exchange``.

    Attributes:
        worker: the worker's file; None for a method with a setting ``command``, in which ``{folder}`` stands for the exchange folder.
        modules: names of modules that the worker's environment must have.
    """

    worker: ClassVar[Path | None] = None
    modules: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return what is missing: terms to accept, the upstream code at the tested commit, modules of its environment, files and models."""
        return find_needs(entrant, cls.modules)

    @abstractmethod
    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the input files of a request into the exchange folder ``folder``, and return what to ask of the worker.

        Equal requests must give equal files and records: what an interrupted run has made is used again where they are equal.
        """

    @abstractmethod
    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the prediction that the worker's files in ``folder`` make, as arrays: the folder is deleted afterwards.

        Args:
            request: the request.
            requests: the requests to the worker, as ``make_requests`` returned them.
            results: their results in the same order, all ``ok``.
            folder: the exchange folder.

        Raises:
            ValueError: a file is missing or wrong.
        """

    def generate(self, request: Request) -> Prediction:
        """Generate the prediction with the worker; results of an interrupted run are used again if their requests are the same.

        Raises:
            CommandFailed: the worker has failed as a whole, or for a request; the message gives its reason.
            ValueError: its output is missing or wrong.
        """
        if self.runtime.folder is None:
            raise ValueError(f"{self.spec.id} exchanges files with its worker: give Runtime a folder")
        folder = self.runtime.folder.absolute() / f"seed-{request.seed}" / request.clip_id
        for path in (folder.parent, folder):
            if path.is_symlink():  # a worker's: what it links to is not ours to clear
                path.unlink()
        before = _read_earlier(folder)
        folder.mkdir(parents=True, exist_ok=True)
        requests = self.make_requests(request, folder)
        inputs = {name: sha256_file(folder / name) for each in requests for name in each.file_names}
        file = RequestFile(method=self.spec.id, requests=tuple(requests), inputs=inputs)
        response = _find_answers(folder, before, file)
        _clear(folder, except_of={*inputs, *(name for result in response.results for name in result.file_names)})
        file.write(folder / REQUEST_FILE)
        response.write(folder / RESPONSE_FILE)
        if len(response.results) < len(requests):
            self._run_worker(folder)
        response = read_response(folder)
        results = [_find_result(each.id, response) for each in requests]
        try:
            prediction = self.read_outputs(request, requests, results, folder)
        except Exception:
            (folder / RESPONSE_FILE).unlink()  # wrong files are not used again
            raise
        facts = response.model_dump(mode="json", exclude={"results"})
        facts["seconds"] = {result.id: result.seconds for result in results}
        upstream = self.settings.get("upstream")
        facts["upstream"] = git_state(upstream) if isinstance(upstream, Path) else None
        if not self.settings.get("keep_files"):
            shutil.rmtree(folder, ignore_errors=True)
        return replace(prediction, provenance={"worker": facts, **prediction.provenance})

    def _run_worker(self, folder: Path) -> None:
        if self.worker is None:
            argv = [word.replace("{folder}", str(folder)) for word in shlex.split(str(self.settings["command"]))]
            cwd = folder
        else:
            cwd = Path(str(self.settings["upstream"]))
            argv = [str(self.settings["python"]), str(self.worker), str(folder), str(cwd)]
        env = outer_environment() | {"PYTHONPATH": str(Path(worker_side.__file__).parent), "PYTHONUNBUFFERED": "1"}
        if self.runtime.device == "cpu":
            env["CUDA_VISIBLE_DEVICES"] = ""
        memory_gb, seconds, free = self._number("memory_gb"), self._number("timeout_s"), free_bytes(folder)
        limits = Limits(
            seconds=seconds,
            memory_bytes=_physical_memory() if memory_gb is None else int(memory_gb * (1 << 30)) or None,
            file_bytes=max(free - _RESERVE_BYTES, free // 2),
        )
        try:
            run_command(argv, cwd=cwd, env=env, limits=limits)
        except TimeoutError:
            raise CommandFailed(
                f"its worker has not ended within {seconds:g} s (--set {method_key(self.spec.id, self.preset)}.timeout_s)"
            ) from None

    def _number(self, setting: str) -> float | None:
        value = self.settings.get(setting)
        return float(value) if isinstance(value, int | float) else None


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read_earlier(folder: Path) -> tuple[RequestFile | None, ResponseFile]:
    """Return what an interrupted run has left in an exchange folder."""
    with suppress(OSError, ValueError):
        return RequestFile.read(folder / REQUEST_FILE), read_response(folder)
    return None, ResponseFile(results=())


def _find_answers(folder: Path, before: tuple[RequestFile | None, ResponseFile], file: RequestFile) -> ResponseFile:
    """Return an earlier response with those results that answer the same requests with the same inputs."""
    old, response = before
    same = {
        request.id
        for request in file.requests
        if old is not None
        and request in old.requests
        and all(old.inputs.get(name) == file.inputs[name] for name in request.file_names)
    }
    ids = [result.id for result in response.results]
    results = tuple(
        result
        for result in response.results
        if result.id in same
        and result.status == "ok"
        and ids.count(result.id) == 1
        and all((folder / name).is_file() for name in result.file_names)
    )
    return response.model_copy(update={"results": results})


def _clear(folder: Path, except_of: set[str]) -> None:
    """Delete everything in a folder except some files."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in except_of:
            path.unlink()


def _find_result(request: str, response: ResponseFile) -> ExchangeResult:
    """Return a request's result, which must be ok."""
    found = [result for result in response.results if result.id == request]
    if len(found) != 1:
        raise CommandFailed(f"its worker has ended with {len(found)} results of request {request}, expected one")
    (result,) = found
    if result.status != "ok":
        raise CommandFailed(f"request {request} {result.status}: {result.reason or 'without a reason'}")
    return result
