"""Load a metric's backbone, a matcher or an encoder, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Unavailable
from hoibench.plugins import get_by_name
from hoibench.weights import WeightsMissing

T = TypeVar("T")


def load_backbone(kind: str, name: str, loaders: Mapping[str, Callable[[Case], T]], case: Case) -> T:
    """Load the backbone with a name on the case's device, with the case's folder of weights.

    Args:
        kind: the word for it in messages, e.g. ``matcher``.
        name: its name in ``loaders``.
        loaders: functions that load each backbone, by its name.
        case: the case to measure.

    Raises:
        UnknownName: there is no such backbone.
        Unavailable: its weights are missing.
    """
    load = get_by_name(kind, name, loaders)
    try:
        return load(case)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error
