"""The interface of a method that runs in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hoibench.clip import Prediction, Request
from hoibench.method_key import method_key
from hoibench.methods.spec import SettingValue, Spec
from hoibench.problems import Problem


@dataclass(frozen=True)
class Runtime:
    """The device and precision of a run, the same for all its methods.

    Attributes:
        device: torch device of the networks.
        precision: ``fp32`` or ``bf16``, for the networks.
        batch: number of images that a network processes at once.
        weights: a folder with weight files, or None.
        folder: a folder for the files that the method exchanges with other programs, or None; it need not exist.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch: int = 8
    weights: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Entrant:
    """A method in a run, with one of its presets and its settings.

    Attributes:
        spec: the method's spec, with the preset applied.
        preset: the preset's name, or None for a method without presets.
        settings: the value of each setting that was given or has a default, in its declared type.
    """

    spec: Spec
    preset: str | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``METHOD`` or ``METHOD+PRESET``: the name in folders, settings and on the page."""
        return method_key(self.spec.id, self.preset)

    @property
    def needed_gpu_mb(self) -> int | None:
        """The GPU memory that it needs in MiB, from the setting ``min_gpu_mb`` or else the spec; None if it needs no GPU."""
        needed = self.settings.get("min_gpu_mb", self.spec.min_gpu_mb)
        return needed if isinstance(needed, int) and needed > 0 else None


class Method(ABC):
    """The base class of methods: loaded once, then called with one request after another.

    A class given by ``--adapter file.py:Class`` has its spec as the class attribute ``spec``, or as ``spec.toml`` next to the file.
    """

    spec: Spec

    def __init__(self, entrant: Entrant, runtime: Runtime) -> None:
        self.spec = entrant.spec
        self.preset = entrant.preset
        self.settings: Mapping[str, SettingValue] = MappingProxyType(dict(entrant.settings))
        self.runtime = runtime

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return the problems that would keep the method from loading, such as a missing file; called before a run starts, in a process of its own.

        It must be quick, load no weights and change nothing.  ``hoibench doctor`` calls it also if required settings are missing.
        """
        return ()

    @abstractmethod
    def generate(self, request: Request) -> Prediction:
        """Generate the prediction for one request: V views, N frames, (H, W) pixels.

        Every random choice must follow ``request.seed``.  An exception makes this clip a failure with the exception's text as the reason;
        the run continues.
        """

    def close(self) -> None:  # noqa: B027  (optional)
        """Free the memory that the method uses."""
