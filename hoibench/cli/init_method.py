"""``hoibench init-method``: write a package with a new method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from hoibench.arguments import parse
from hoibench.cli.output import StatusConsole


@dataclass(frozen=True)
class InitMethod:
    """Write a Python package with a method that runs at once, for you to replace by your own: adapter, spec.toml, test and pyproject.toml.

    The last line printed is the package's folder.
    """

    name: tyro.conf.Positional[str]
    """The method's id, which is also the name of the package: small letters, digits and _."""

    out: Path | None = None
    """The folder to write; it must not exist. Default: NAME, in the working folder."""


def init_method_command(arguments: Sequence[str]) -> int:
    """Write the package and print the commands that install and run it; return the exit code."""
    options = parse(InitMethod, arguments, "hoibench init-method")
    from hoibench.methods.new_package import write_package

    folder = options.out or Path(options.name)
    write_package(options.name, folder)
    commands = (
        f"cd {folder}",
        "pip install -e '.[test]'",
        "python -m pytest",
        f"python -m hoibench.run --method {options.name} --limit 1 --metrics rpe,chamfer,psnr",
    )
    StatusConsole().print("\n  ".join(("next:", *commands)), markup=False, highlight=False, soft_wrap=True)
    print(folder)
    return 0
