"""``hoibench data index``: what each sequence of a TACO download has, and how two downloads differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro
from rich.console import Console

from hoibench.cli.counting import counting
from hoibench.cli.data import refuse_inside
from hoibench.cli.exit_codes import as_crash

DIFFERENT = 3
_SHOWN = 40


@dataclass(frozen=True)
class Index:
    """Write sequences.jsonl (what each sequence has, with a fingerprint of its poses and cameras) and objects.csv (which object is what).

    With --compare the exit code is 3 where the two differ.
    """

    root: tyro.conf.Positional[Path]
    """The folder that TACO's zips were unpacked in."""

    out: Path
    """The folder to write into."""

    hands: bool = False
    """Fingerprint hand poses, too: their files are 26 GB."""

    compare: Path | None = None
    """A sequences.jsonl of another download, or the folder that holds it: print where the two differ."""

    json: bool = False
    """Print JSON."""


def index_command(arguments: Sequence[str]) -> int:
    """Index a tree; the exit code."""
    options = tyro.cli(Index, args=list(arguments), prog="hoibench data index")
    from hoibench.datasets.taco.inventory.index import index_tree, read_index, write_index
    from hoibench.datasets.taco.inventory.index_compare import compare
    from hoibench.datasets.taco.layout import Tree

    other = None if options.compare is None else read_index(options.compare)
    tree = Tree(options.root)
    refuse_inside(options.root, options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    with counting(Console(stderr=True)) as count:
        records = index_tree(tree, partial(count, "sequences"), hands=options.hands)
    with as_crash():
        write_index(records, options.out)
    broken = {record.key: record.problems for record in records if record.problems}
    differences = {} if other is None else compare(records, other)
    if options.json:
        print(json.dumps({"sequences": len(records), "problems": broken, "differences": differences}, indent=1))
    else:
        _tell("with problems", broken)
        if other is not None:
            _tell("that differ", differences)
        print(f"{len(records)} sequences, {len(broken)} with problems: {options.out}")
    return DIFFERENT if differences else 0


def _tell(what: str, found: dict[str, tuple[str, ...]]) -> None:
    lines = [f"{key}  {text}" for key, texts in found.items() for text in texts]
    if lines:
        print(f"sequences {what}:")
        print("\n".join(f"  {line}" for line in lines[:_SHOWN]))
        if len(lines) > _SHOWN:
            print(f"  ... and {len(lines) - _SHOWN} more lines: --json prints them all")
