"""``hoibench data``: check a TACO download and prepare clips from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hoibench.plugins import UnknownName, load_object

USAGE = """\
usage: hoibench data COMMAND [options]

  doctor    find missing, damaged and inconsistent files in a TACO download
  prepare   prepare the clips of a split: cropped, resampled, with tracks and masks
  mano      check MANO's model files, and convert them to npz

Run hoibench data COMMAND --help for options; docs/taco.md is a guide from download to scores."""

_COMMANDS = {
    "doctor": "hoibench.cli.data_doctor:doctor_command",
    "prepare": "hoibench.cli.data_prepare:prepare_command",
    "mano": "hoibench.cli.data_mano:mano_command",
}


def check_outside(root: Path, out: Path | None, flag: str = "--out") -> None:
    """Raise ValueError if ``out``, the path given by the option ``flag``, is inside the download at ``root``, which is never written to."""
    if out is not None and out.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"{flag} {out} is inside the download {root}, which is never written to: choose a path outside it"
        )


def data_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench data`` with these arguments, a subcommand and its options, and return the exit code."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] not in _COMMANDS:
        raise UnknownName("command", f"data {words[0]}", [f"data {name}" for name in _COMMANDS])
    command: Callable[[Sequence[str]], int] = load_object(_COMMANDS[words[0]])
    return command(words[1:])
