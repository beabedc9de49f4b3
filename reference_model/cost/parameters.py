"""How many parameters a configuration has, and which of them are new."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from reference_model.config import SyncMV4DConfig
from reference_model.cost.phantom import phantom_dpa, phantom_mjd, phantom_vae
from reference_model.mjd.inheritance import NEW


@dataclass(frozen=True)
class Parameters:
    """How many parameters there are.

    Attributes:
        wan: of MJD, those that Wan's transformer has too.
        new: of MJD, the others by group, the largest first.
        dpa: of the points aligner, all of them new.
        vae: of the autoencoder, which is frozen.
    """

    wan: int
    new: dict[str, int]
    dpa: int
    vae: int

    @property
    def total(self) -> int:
        """Of MJD."""
        return self.wan + sum(self.new.values())


def count_parameters(config: SyncMV4DConfig) -> Parameters:
    """The parameters of a configuration's models."""
    groups: Counter[str] = Counter()
    for name, parameter in phantom_mjd(config).named_parameters():
        groups[next((part for part in name.split(".") if part in NEW), "")] += parameter.numel()
    wan = groups.pop("")
    with FakeTensorMode():
        dpa = _numbers(phantom_dpa(config))
    return Parameters(wan, dict(groups.most_common()), dpa, _numbers(phantom_vae(config)))


def _numbers(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())
