"""The base class of methods whose code runs in an environment of its own: it writes requests, runs a worker there, and reads what the worker made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from hoibench.clip import Prediction, Request
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.problems import Problem


class UpstreamMethod(Method):
    """A method whose code runs in an environment of its own.

    A subclass writes the inputs of the code (``make_requests``) and makes a prediction of its outputs (``read_outputs``).  Its ``worker`` runs in
    between, with the interpreter ``python`` and the folder ``upstream`` of its settings, and keeps to the contract of ``hoibench.methods.exchange``.

    Attributes:
        worker: the worker's file; None for a method with a setting ``command``, in which ``{folder}`` stands for the exchange folder.
    """

    worker: ClassVar[Path | None] = None

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return what is missing: terms to accept, the upstream code at the tested commit, modules of its environment, files and models."""
        return ()

    @abstractmethod
    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the input files of a request into the exchange folder ``folder``, and return what to ask of the worker.

        Equal requests must give equal files and records: what an interrupted run has made is kept where they are equal.
        """

    @abstractmethod
    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the prediction that the worker's files in ``folder`` make.

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
            CommandFailed: the worker has failed as a whole.
            ValueError: it has no usable output; the message gives its reason.
        """
        raise NotImplementedError
