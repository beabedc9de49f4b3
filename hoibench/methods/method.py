"""The interface of a method that runs in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hoibench.clip import Prediction, Request
from hoibench.method_key import method_key
from hoibench.methods.spec import SettingValue, Spec


@dataclass(frozen=True)
class Runtime:
    """Device, precision, batch and weights, the same for every method of a run.

    Attributes:
        device: torch device of its networks.
        precision: ``fp32`` or ``bf16``, of its networks.
        batch: images that a network takes at once.
        weights: a folder to look for weight files in, or None.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch: int = 8
    weights: Path | None = None


@dataclass(frozen=True)
class Entrant:
    """A method as it takes part in a run: with one of its presets, and its settings.

    Attributes:
        spec: the method's spec, as its preset has it.
        preset: the preset, or None for a method without any.
        settings: a value for each setting that was given or has a default, of the declared type.
    """

    spec: Spec
    preset: str | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``METHOD`` or ``METHOD+PRESET``: its name in folders, in settings and on the page."""
        return method_key(self.spec.id, self.preset)


class Method(ABC):
    """A method: loads once, then answers requests.

    A class given by ``--adapter file.py:Class`` carries its spec as the class attribute ``spec``, or beside the file as ``spec.toml``.
    """

    spec: Spec

    def __init__(self, entrant: Entrant, runtime: Runtime) -> None:
        self.spec = entrant.spec
        self.preset = entrant.preset
        self.settings: Mapping[str, SettingValue] = MappingProxyType(dict(entrant.settings))
        self.runtime = runtime

    @abstractmethod
    def generate(self, request: Request) -> Prediction:
        """Answer one request on its grid: V views, N frames, (H, W) pixels.

        Every random choice follows ``request.seed``.  Any exception makes this clip a failure with its text as the reason; the run goes on.
        """

    def close(self) -> None:  # noqa: B027  (optional: most methods hold nothing)
        """Free what was loaded."""
