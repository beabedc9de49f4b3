"""``hoibench data mano``: check MANO's model files, and convert them to npz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from hoibench.arguments import parse
from hoibench.cli.exit_codes import as_crash
from hoibench.cli.output import check_writable


@dataclass(frozen=True)
class ManoFiles:
    """Check MANO_LEFT and MANO_RIGHT (.pkl as released, or .npz) without executing the pickles, and convert them with --out.

    The converted files have the licence of the released ones: do not share them.
    """

    folder: tyro.conf.Positional[Path]
    """The folder with MANO_LEFT and MANO_RIGHT, each .pkl or .npz."""

    out: Path | None = None
    """Write MANO_LEFT.npz and MANO_RIGHT.npz into this folder."""


def mano_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench data mano``: check MANO's two files, convert them if ``--out`` is given, and return exit code 0."""
    options = parse(ManoFiles, arguments, "hoibench data mano")
    from hoibench.datasets.taco.hand.hand_pose import SIDES
    from hoibench.datasets.taco.hand.mano_file import convert, find_mano, read_mano

    if options.out is not None:
        check_writable("--out", options.out / "MANO_LEFT.npz")
    found = {side: find_mano(options.folder, side) for side in SIDES}
    for side, path in found.items():
        read_mano(path, side)
        print(f"{side:<6} {path}")
    if options.out is not None:
        with as_crash():
            for side, path in found.items():
                convert(path, options.out / f"MANO_{side.upper()}.npz")
    print(f"set HOIBENCH_MANO={(options.out or options.folder).absolute()}")
    return 0
