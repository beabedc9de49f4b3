"""``hoibench cache``: what the cache holds, and emptying it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro


@dataclass(frozen=True)
class Cache:
    """The cache of generated clips ($HOIBENCH_CACHE); everything in it can be made again."""

    do: tyro.conf.Positional[Literal["ls", "clear"]] = "ls"
    """List what is there, or delete it."""

    name: tyro.conf.Positional[str | None] = None
    """For clear: only this entry."""

    json: bool = False
    """Print JSON."""


def cache_command(arguments: Sequence[str]) -> int:
    """List or clear the cache."""
    options = tyro.cli(Cache, args=list(arguments), prog="hoibench cache")
    from hoibench.datasets.cache import cache_dir, clear, entries

    before = entries()
    if options.do == "clear":
        clear(options.name)
        gone = [e for e in before if options.name in (None, e.name)]
        print(f"cleared {len(gone)} entries, {sum(e.bytes for e in gone) / 1e6:.1f} MB, from {cache_dir()}")
    elif options.json:
        listed = [{"name": e.name, "bytes": e.bytes, "files": e.files} for e in before]
        print(json.dumps({"folder": str(cache_dir()), "entries": listed}, indent=1))
    else:
        print(cache_dir())
        for e in before:
            print(f"  {e.name:<40} {e.bytes / 1e6:10.1f} MB {e.files:8d} files")
        print(f"  {len(before)} entries, {sum(e.bytes for e in before) / 1e6:.1f} MB")
    return 0
