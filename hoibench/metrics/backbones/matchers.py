"""The matchers by name, as in metric ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hoibench.metrics.backbones.features import Matcher
from hoibench.metrics.backbones.loading import load_backbone
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.case import Case


def _load_aliked(case: Case) -> Matcher:
    from hoibench.metrics.backbones.aliked import load_aliked  # imports torch, which SIFT does not need

    return load_aliked(case.device, case.weights)


def _load_xfeat(case: Case) -> Matcher:
    from hoibench.metrics.backbones.xfeat import load_xfeat

    return load_xfeat(case.device, case.weights)


def _load_gim_lightglue(case: Case) -> Matcher:
    from hoibench.metrics.backbones.lightglue import load_gim_lightglue

    return load_gim_lightglue(case.device, case.weights)


def _load_aliked_lightglue(case: Case) -> Matcher:
    from hoibench.metrics.backbones.lightglue import load_aliked_lightglue

    return load_aliked_lightglue(case.device, case.weights)


MATCHERS: Mapping[str, Callable[[Case], Matcher]] = MappingProxyType(
    {
        "sift-mnn": lambda case: Sift(),
        "aliked-mnn": _load_aliked,
        "xfeat": _load_xfeat,
        "gim-lightglue": _load_gim_lightglue,
        "aliked-lightglue": _load_aliked_lightglue,
    }
)
"""Functions that load each matcher, by its name."""


def load_matcher(name: str, case: Case) -> Matcher:
    """Load the matcher with a name, e.g. ``sift-mnn``, on the case's device, with the case's folder of weights.

    Raises:
        UnknownName: there is no such matcher.
        Unavailable: its weights are missing.
    """
    return load_backbone("matcher", name, MATCHERS, case)
