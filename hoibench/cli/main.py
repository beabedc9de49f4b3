"""The command ``hoibench``: one verb per subcommand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from hoibench.cli.exit_codes import to_exit_code
from hoibench.plugins import UnknownName, load_object

USAGE = """\
usage: hoibench COMMAND [options]

  run     generate, score and build the page      (python -m hoibench.run)
  ls      what there is: methods, metrics, datasets, splits, runs
  show    a run's board on the terminal
  merge   join the shards of a run, or redo a run's table and page
  score   score a run's stored predictions anew, or a folder of predictions against a folder of truth
  data    a TACO download: doctor, prepare, mano
  cache   generated clips and fetched weights: ls, clear (weights only by name)

hoibench COMMAND --help says more."""


_COMMANDS = {
    "run": "hoibench.cli.run:run_command",
    "ls": "hoibench.cli.ls:ls_command",
    "show": "hoibench.cli.show:show_command",
    "merge": "hoibench.cli.merge:merge_command",
    "score": "hoibench.cli.score:score_command",
    "data": "hoibench.cli.data:data_command",
    "cache": "hoibench.cli.cache:cache_command",
}
"""Imported one at a time, so that a light command does not pay for a heavy one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        from hoibench import __version__

        print(f"hoibench {__version__}")
        return 0
    return to_exit_code(_dispatch, words)


def _dispatch(words: Sequence[str]) -> int:
    if words[0] not in _COMMANDS:
        raise UnknownName("command", words[0], _COMMANDS)
    command: Callable[[Sequence[str]], int] = load_object(_COMMANDS[words[0]])
    return command(words[1:])
