"""The command ``hoibench`` and its subcommands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from hoibench.cli.exit_codes import to_exit_code
from hoibench.plugins import get_by_name, load_object

USAGE = """\
usage: hoibench COMMAND [options]

  run         generate predictions, score them and build the page  (same as python -m hoibench.run)
  ls          list methods, presets, settings, metrics, datasets, splits or runs
  show        print a run's leaderboard
  compare     print the differences of methods with intervals and p-values
  power       estimate how many clips would separate methods
  merge       merge the shards of a run, or write a run's table and page again
  score       score a run's stored predictions again, or a folder of predictions against a folder of truth
  pack        write a run's results and hashes as a small folder to publish
  verify      score a random sample of a run again, and compare its results
  export      write a clip of runs as a file for another viewer
  validate    check a submission before it is handed in or scored
  data        check and prepare a TACO download: doctor, prepare, mano
  doctor      say what methods need on this machine, and how to get it
  init-method write a package with a new method that runs at once
  weights     list, download, find and add the weights of metrics and methods
  cache       list or clear generated clips, parsed hand files and fetched weights

hoibench COMMAND --help shows a command's options."""


_COMMANDS = {
    "run": "hoibench.cli.run:run_command",
    "ls": "hoibench.cli.ls:ls_command",
    "show": "hoibench.cli.show:show_command",
    "compare": "hoibench.cli.compare:compare_command",
    "power": "hoibench.cli.power:power_command",
    "merge": "hoibench.cli.merge:merge_command",
    "score": "hoibench.cli.score:score_command",
    "pack": "hoibench.cli.pack:pack_command",
    "verify": "hoibench.cli.verify:verify_command",
    "export": "hoibench.cli.export:export_command",
    "validate": "hoibench.cli.validate:validate_command",
    "data": "hoibench.cli.data:data_command",
    "doctor": "hoibench.cli.doctor:doctor_command",
    "init-method": "hoibench.cli.init_method:init_method_command",
    "weights": "hoibench.cli.weights:weights_command",
    "cache": "hoibench.cli.cache:cache_command",
}
"""Only the command that runs is imported, so that a light command starts fast."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand of ``hoibench`` and return its exit code."""
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
    command: Callable[[Sequence[str]], int] = load_object(get_by_name("command", words[0], _COMMANDS))
    return command(words[1:])
