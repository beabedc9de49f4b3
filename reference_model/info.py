"""``python -m reference_model.info``: print the cost of a preset of the model (parameters, tokens, operations, memory), or list its fields.

A preset is a named configuration of the model; the list states value and source of each field.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_type_hints

from rich import box
from rich.console import Console, Group
from rich.table import Table

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from reference_model.config import PRESETS, SyncMV4DConfig, preset, with_mjd
from reference_model.config.fields import FieldSource, field_sources

if TYPE_CHECKING:
    from reference_model.cost import Cost

WIDTH = 160
"""Width in characters of the output if it is not a terminal."""

MIN_TABLE_WIDTH, MAX_TABLE_WIDTH = 48, 80
"""Smallest and largest width of the tables of costs, in characters: fewer would crop numbers; a narrower terminal wraps lines instead."""

MAX_PIXELS = 10**10
"""Largest number of pixels of all views and frames: beyond it the sizes of attention matrices, which grow with its square, exceed 64 bits."""

COUNTED = "counted, not measured"
COMPUTED = "computed, not measured"
PRECISION_NOTE = "The autoencoder runs in float32, and so does DPA when sampling: they take longer than these seconds, which are bf16's."


@dataclass(frozen=True)
class InfoOptions:
    """Print the cost of a preset without allocating its weights."""

    preset: str = "wan22_5b"
    """wan22_5b or nano, or NAME_literal, which differs in the cost of training steps."""

    fields: bool = False
    """List every field with its value and source instead."""

    views: int | None = None
    """Number of views V instead of the preset's."""

    size: tuple[int, int] | None = field(default=None, metadata={"metavar": "H,W"})
    """Height and width of the videos in pixels instead of the preset's."""

    frames: int | None = None
    """Number of frames instead of the preset's."""

    gpus: int = 8
    """Number of GPUs that share the training state."""

    tflops: float = 790.0
    """Assumed throughput for time estimates, in TFLOP/s."""

    json: bool = False
    """Print JSON."""


def info_command(arguments: Sequence[str]) -> int:
    """Run ``python -m reference_model.info`` with these arguments: print a preset's cost or fields, and return the exit code."""
    options = parse(InfoOptions, arguments, "python -m reference_model.info")
    if not (math.isfinite(options.tflops) and options.tflops > 0):
        raise ValueError(f"--tflops is {options.tflops}, expected a positive number")
    if options.gpus < 1:
        raise ValueError(f"--gpus is {options.gpus}, expected at least 1")
    config = build_config(options)
    output: Any
    if options.fields:
        rows = list(field_sources(config))
        output = [each._asdict() for each in rows] if options.json else _fields_table(rows)
    else:
        if not config.aligner:
            raise ValueError(
                f"--preset {options.preset} has no points aligner, and costs are counted of complete models: give its base, or --fields"
            )
        from reference_model.cost import count_cost  # torch takes seconds

        cost = count_cost(config, options.gpus)
        output = to_json(options, config, cost) if options.json else to_tables(options, config, cost)
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, emoji=False)
    if options.json:
        console.out(json.dumps(output, indent=1), highlight=False)
    else:
        console.width = max(console.width, MIN_TABLE_WIDTH)
        console.print(output, width=None if options.fields else MAX_TABLE_WIDTH, markup=False, highlight=False)
    return 0


def build_config(options: InfoOptions) -> SyncMV4DConfig:
    """Return the configuration of the preset in ``options``, with the views, size and frames given there.

    Raises:
        ValueError: the preset is unknown, a number does not fit (names the nearest that do), or the videos are too large.
    """
    config = preset(options.preset)
    views = config.mjd.views if options.views is None else options.views
    if views < 1:
        raise ValueError(f"--views is {views}, expected at least 1")
    height, width = options.size or (config.height, config.width)
    frames = config.frames if options.frames is None else options.frames
    if views * frames * height * width > MAX_PIXELS:
        raise ValueError(
            f"{views} views of {frames} frames of {height} x {width} pixels: expected at most {MAX_PIXELS:,} pixels in total"
        )
    return replace(with_mjd(config, views=views), height=height, width=width, frames=frames)


def to_json(options: InfoOptions, config: SyncMV4DConfig, cost: Cost) -> dict[str, Any]:
    """Return the cost of a preset as JSON values: parameters, tokens, operations, seconds at the assumed throughput, and bytes of memory."""
    operations = asdict(cost.flops) | asdict(cost.steps)
    return {
        "preset": options.preset,
        "views": config.mjd.views,
        "frames": config.frames,
        "size": [config.height, config.width],
        "latents": config.latent_grid(config.frames, config.height, config.width),
        "parameters": asdict(cost.parameters),
        "tokens": asdict(cost.tokens),
        "flops": {"basis": COUNTED, **asdict(cost.flops)},
        "steps": {"basis": COUNTED, **asdict(cost.steps)},
        "seconds": {
            "basis": f"{COUNTED}, at an assumed {options.tflops:g} TFLOP/s",
            "note": PRECISION_NOTE,
            **{name: count / options.tflops / 1e12 for name, count in operations.items()},
        },
        "memory": {"basis": COMPUTED, "gpus": options.gpus, **asdict(cost.memory)},
    }


def to_tables(options: InfoOptions, config: SyncMV4DConfig, cost: Cost) -> Group:
    """Return the cost of a preset as tables to print: parameters, tokens, TFLOP, seconds at the assumed throughput, and GB of memory."""
    n, h, w = config.latent_grid(config.frames, config.height, config.width)
    title = (
        f"{options.preset}: V = {config.mjd.views} views of {config.frames} frames of {config.height} x {config.width} pixels,\n"
        f"latents {config.mjd.in_channels} x {n} x {h} x {w}; presets are {' and '.join(PRESETS)}"
    )
    cycle = config.cycle
    reading = (
        f"gradient {cycle.gradient}; training reads {cycle.reading}, {cycle.guidance_probability:.0%} with guidance"
    )
    steps = _table("operations of complete steps, one sample", *_timed(cost.steps, options.tflops))
    steps.caption, steps.caption_justify = f"{reading}. {PRECISION_NOTE}", "left"
    return Group(
        title,
        _table("parameters", [""], [(label, f"{count:,}") for label, count in _flattened(cost.parameters)]),
        _table("tokens of a view", [""], [(label, _size(value)) for label, value in _labelled(cost.tokens)]),
        _table("operations of the parts, one sample", *_timed(cost.flops, options.tflops)),
        steps,
        _table(
            f"memory, one sample, {options.gpus} GPUs",
            [_stacked(f"GB, {COMPUTED}")],
            [(label, _significant(count / 1e9)) for label, count in _labelled(cost.memory)],
        ),
    )


def _labelled(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield (label, value) of each field of a dataclass such as ``Tokens``, whose annotations have the labels."""
    for name, hint in get_type_hints(type(record), include_extras=True).items():
        yield hint.__metadata__[0], getattr(record, name)


def _flattened(record: Any) -> Iterator[tuple[str, int]]:
    """Yield (label, number) of each field of a dataclass; for a field that is a dict its sum, then an indented label for each entry."""
    for label, value in _labelled(record):
        if isinstance(value, dict):
            yield label, sum(value.values())
            yield from ((f"    {name}", count) for name, count in value.items())
        else:
            yield label, value


def _timed(record: Any, tflops: float) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return column heads, and rows of label, TFLOP and seconds, for a dataclass of operations such as ``Flops``."""
    heads = [_stacked(f"TFLOP, {COUNTED}"), f"at an assumed\n{tflops:g} TFLOP/s\nin bf16"]
    return heads, [
        (label, _significant(count / 1e12), f"{count / tflops / 1e12:.3g} s") for label, count in _labelled(record)
    ]


def _table(title: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table of full width with labels in the first column; labels wrap, numbers do not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column(title, ratio=1, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _fields_table(rows: Iterable[FieldSource]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in FieldSource._fields:
        table.add_column(name, overflow="fold", no_wrap=name == "value")
    for each in rows:
        table.add_row(each.field, str(each.value), each.source)
    return table


def _size(value: int | tuple[int, int]) -> str:
    return str(value) if isinstance(value, int) else " x ".join(map(str, value))


def _stacked(head: str) -> str:
    return head.replace(", ", ",\n")


def _significant(number: float) -> str:
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"


def main() -> int:
    """Run the command ``python -m reference_model.info``, print errors as one sentence, and return the exit code."""
    return to_exit_code(info_command, sys.argv[1:], resumable=False)


if __name__ == "__main__":
    sys.exit(main())
