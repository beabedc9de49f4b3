"""``hoibench cache``: list or clear the cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

from hoibench.arguments import parse
from hoibench.text import count


@dataclass(frozen=True)
class Cache:
    """List or clear the cache ($HOIBENCH_CACHE, or hoibench in the user's cache folder).

    It contains generated clips, parsed hand files, prepared clips and fetched weights.
    Other files in that folder are neither listed nor deleted.
    """

    action: tyro.conf.Positional[Literal["ls", "clear"]] = "ls"
    """ls: list the entries. clear: delete generated clips and parsed hand files, which are written again when needed."""

    name: tyro.conf.Positional[str | None] = None
    """For clear: delete only this entry. Weights and prepared clips of TACO are deleted only by name, e.g. clear weights."""

    json: bool = False
    """Print JSON."""


def cache_command(arguments: Sequence[str]) -> int:
    """List or clear the cache; return the exit code."""
    options = parse(Cache, arguments, "hoibench cache")
    from hoibench.datasets.cache_entries import clear_entries, list_entries
    from hoibench.store.cache_dir import cache_dir

    cleared = options.action == "clear"
    listed = clear_entries(options.name) if cleared else list_entries()
    size = f"{count(len(listed), 'entry', 'entries')}, {sum(e.bytes for e in listed) / 1e6:.1f} MB"
    if options.json:
        facts = [e._asdict() for e in listed]
        print(json.dumps({"folder": str(cache_dir()), "cleared" if cleared else "entries": facts}, indent=1))
    elif cleared:
        print(f"cleared {size}, from {cache_dir()}")
    else:
        print(cache_dir())
        for e in listed:
            print(f"  {e.name:<40} {e.bytes / 1e6:10.1f} MB {count(e.files, 'file'):>14}")
        print(f"  {size}")
    return 0
