"""``python -m reference_model.info``: what a preset costs - parameters, tokens, operations, memory - and where its numbers come from."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from hoibench.cli.exit_codes import to_exit_code
from reference_model.config import SyncMV4DConfig, preset, with_mjd
from reference_model.config_fields import Origin, origins

WIDTH = 160
"""Columns of what is printed where there is no terminal."""

NARROWEST, WIDEST = 48, 80
"""Columns of the tables of costs: fewer would crop numbers, where a narrower terminal breaks lines; more would part them from their names."""

MOST_PIXELS = 10**10
"""Of all views and frames: beyond it the sizes of attention's matrices, squares of this, leave 64 bits."""


@dataclass(frozen=True)
class Info:
    """What a preset costs, without allocating it."""

    preset: str = "wan22_5b"
    """wan22_5b or nano, or NAME_literal, whose training steps alone cost more."""

    fields: bool = False
    """List instead every field with its value and where that comes from."""

    views: int | None = None
    """Views V in place of the preset's."""

    size: tuple[int, int] | None = None
    """Height and width of the videos in pixels, in place of the preset's."""

    frames: int | None = None
    """Frames of the videos in place of the preset's."""

    gpus: int = 8
    """GPUs that share the state of training."""

    tflops: float = 790.0
    """TFLOP/s to tell times by: an assumption."""

    json: bool = False
    """Print JSON."""


def info_command(arguments: Sequence[str]) -> int:
    """Print the costs of a preset, or its fields."""
    options = tyro.cli(Info, args=list(arguments), prog="python -m reference_model.info")
    if not (math.isfinite(options.tflops) and options.tflops > 0):
        raise ValueError(f"tflops is {options.tflops}: expected a positive number")
    config = configuration(options)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    if options.fields:
        listed = list(origins(config))
        told: Any = [each._asdict() for each in listed] if options.json else _fields(listed)
    else:
        from reference_model.cost import count_cost
        from reference_model.cost.tables import as_json, as_tables

        cost, tell = count_cost(config, options.gpus), as_json if options.json else as_tables
        told = tell(options.preset, config, cost, gpus=options.gpus, tflops=options.tflops)
    if options.json:
        console.out(json.dumps(told, indent=1), highlight=False)
    else:
        console.width = max(console.width, NARROWEST)
        console.print(told, width=None if options.fields else WIDEST, markup=False, highlight=False)
    return 0


def configuration(options: Info) -> SyncMV4DConfig:
    """The preset, with what the options put in its place.

    Raises:
        ValueError: there is no such preset, a number does not fit, naming the nearest ones that do, or the videos are too large to count.
    """
    config = preset(options.preset)
    views = config.mjd.views if options.views is None else options.views
    if views < 1:
        raise ValueError(f"views is {views}: expected 1 or more")
    height, width = options.size or (config.height, config.width)
    frames = config.frames if options.frames is None else options.frames
    if views * frames * height * width > MOST_PIXELS:
        raise ValueError(
            f"{views} views of {frames} frames of {height} x {width} pixels: expected at most {MOST_PIXELS:,} pixels in all"
        )
    return replace(with_mjd(config, views=views), height=height, width=width, frames=frames)


def _fields(listed: Iterable[Origin]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in Origin._fields:
        table.add_column(name, overflow="fold", no_wrap=name == "value")
    for each in listed:
        table.add_row(each.field, str(each.value), each.origin)
    return table


def main() -> int:
    """Run the command; the exit code."""
    return to_exit_code(info_command, sys.argv[1:], resumable=False)


if __name__ == "__main__":
    sys.exit(main())
