"""The text prompt of a clip, made from its triplet."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from hoibench.datasets.taco.layout import Triplet


def prompt(triplet: Triplet) -> str:
    """An imperative sentence for a (tool, action, target) triplet, by the templates in prompts.toml.

    Raises:
        ValueError: the action is not one of TACO's; lists those it has.
    """
    tool, action, target = triplet
    try:
        template = _templates()[action]
    except KeyError:
        raise ValueError(f"action {action!r} has no prompt template; known: {', '.join(_templates())}") from None
    return template.format(tool=tool, target=target)


@cache
def _templates() -> dict[str, str]:
    return tomllib.loads(files("hoibench.datasets.taco").joinpath("prompts.toml").read_text(encoding="utf-8"))
