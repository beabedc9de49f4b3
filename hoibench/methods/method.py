"""The interface of a method that runs in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from hoibench.clip import Prediction, Request
from hoibench.methods.spec import Spec


@dataclass(frozen=True)
class MethodOptions:
    """What the command line says to every method: where and how to run."""

    device: str = "cpu"
    precision: str = "fp32"
    preset: str | None = None
    checkpoint: Path | None = None
    batch: int = 8
    weights: Path | None = None


class Method(ABC):
    """A method: loads once, then answers requests.

    A class given by ``--adapter file.py:Class`` carries its spec as the class attribute ``spec``, or beside the file as ``spec.toml``.
    """

    spec: Spec

    def __init__(self, spec: Spec, options: MethodOptions) -> None:
        self.spec = spec
        self.options = options

    @abstractmethod
    def generate(self, request: Request) -> Prediction:
        """Answer one request on its grid: V views, N frames, (H, W) pixels.

        Every random choice follows ``request.seed``.  Any exception makes this clip a failure with its text as the reason; the run goes on.
        """

    def close(self) -> None:  # noqa: B027  (optional: most methods hold nothing)
        """Free what was loaded."""
