"""``hoibench data``: a TACO download, from its zips to prepared clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hoibench.plugins import UnknownName, load_object

USAGE = """\
usage: hoibench data COMMAND [options]

  doctor    what a TACO download has and lacks, what in it disagrees, and which object is what
  prepare   make the clips of a split: cropped, re-timed, with tracks and masks
  mano      check MANO's model files, and write them as plain npz

hoibench data COMMAND --help says more; docs/taco.md leads from the download page to a scored clip."""

_COMMANDS = {
    "doctor": "hoibench.cli.data_doctor:doctor_command",
    "prepare": "hoibench.cli.data_prepare:prepare_command",
    "mano": "hoibench.cli.data_mano:mano_command",
}


def check_outside(root: Path, out: Path | None, flag: str = "--out") -> None:
    """Raise ValueError where a command is to write into the download that it reads."""
    if out is not None and out.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"{flag} {out} lies in the download {root}, which is never written to: give a place outside it"
        )


def data_command(arguments: Sequence[str]) -> int:
    """Run a subcommand; the exit code."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] not in _COMMANDS:
        raise UnknownName("command", f"data {words[0]}", [f"data {name}" for name in _COMMANDS])
    command: Callable[[Sequence[str]], int] = load_object(_COMMANDS[words[0]])
    return command(words[1:])
