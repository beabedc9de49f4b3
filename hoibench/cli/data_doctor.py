"""``hoibench data doctor``: find missing, damaged and inconsistent files in a TACO download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.data import check_outside
from hoibench.cli.exit_codes import as_crash
from hoibench.cli.output import check_writable
from hoibench.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from hoibench.datasets.taco.checks import CheckedSequence

PROBLEMS = 3


@dataclass(frozen=True)
class Doctor:
    """Find missing, damaged and inconsistent files in a TACO download, without writing to it.

    The exit code is 3 if there are problems, 0 if there are only warnings.
    """

    root: tyro.conf.Positional[Path]
    """The folder with TACO's unpacked zips."""

    split: str = "test"
    """Check that the clips of this split can be prepared (hoibench ls splits)."""

    deep: bool = False
    """Read all files completely, instead of headers of all sequences and complete files of a sample."""

    sample: int = 8
    """Number of sequences of the split to read completely."""

    mano: Path | None = None
    """The folder of MANO_LEFT and MANO_RIGHT. Default: $HOIBENCH_MANO."""

    objects: Path | None = None
    """Write a CSV table of the objects: id, category, roles, number of sequences. TACO has no such table."""

    overlay: Path | None = None
    """Write a picture of each sequence that is read completely into this folder: a frame of every camera with the outlines of hands and objects."""

    suspects: Path | None = None
    """Write the suspect ones of the sequences that are read completely, with reasons, for --exclude of a run (JSON)."""

    json: bool = False
    """Print JSON."""


def doctor_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench data doctor``: print the diagnosis of a TACO download, and return exit code 3 if it has problems, else 0."""
    options = parse(Doctor, arguments, "hoibench data doctor")
    _check_options(options)
    from hoibench.datasets.taco.checks import Finding
    from hoibench.datasets.taco.doctor.calibration_reviews import read_reviews
    from hoibench.datasets.taco.doctor.diagnosis import diagnose
    from hoibench.datasets.taco.doctor.listing import has_taco_files, list_download
    from hoibench.datasets.taco.doctor.object_table import format_objects
    from hoibench.datasets.taco.doctor.overlay import write_overlay
    from hoibench.datasets.taco.doctor.report import Findings, format_diagnosis
    from hoibench.datasets.taco.doctor.suspects import Suspects
    from hoibench.datasets.taco.download import INFO_FILE, POSES, find_sequences
    from hoibench.datasets.taco.splits import split_lines
    from hoibench.store import write_bytes
    from hoibench.store.atomic import WriteError

    lines = split_lines(options.split)
    if not options.json and not has_taco_files(list_download(options.root)):
        print(f"{options.root} has no file of a TACO download: unpack its zips there (docs/taco.md)")
        return PROBLEMS
    info = options.root / INFO_FILE
    reviews = read_reviews(info) if options.suspects is not None and info.is_file() else {}
    suspects, undrawn = Suspects(), Findings()

    def on_checked(checked: CheckedSequence, findings: tuple[Finding, ...]) -> None:
        if options.overlay is not None:
            try:
                write_overlay(checked, findings, options.overlay)
            except WriteError:
                raise
            except (ValueError, OSError) as error:
                undrawn.add(checked.name, f"cannot be drawn: {error}")
                findings = (*findings, Finding("refuse", undrawn.problems[-1]))
        suspects.add(checked, findings)

    with progress_bar(Console(stderr=True, emoji=False)) as on_progress:
        report = diagnose(
            options.root, lines, mano=options.mano, deep=options.deep, sample=options.sample, on_progress=on_progress,
            on_checked=on_checked,
        )  # fmt: skip
    if undrawn.count:
        report = report.with_check(
            undrawn.to_check("overlay", "videos cannot be drawn", "", "unpack the cameras' zips again", 0)
        )
    print(json.dumps(asdict(report), indent=1, default=str) if options.json else format_diagnosis(report))
    if options.suspects is not None:
        with as_crash():
            suspects.exclusions(reviews).write(options.suspects)
    if options.objects is not None:
        with as_crash():
            write_bytes(options.objects, format_objects(find_sequences(options.root, POSES).values()).encode())
    return 0 if report.is_healthy else PROBLEMS


def _check_options(options: Doctor) -> None:
    from hoibench.datasets.taco.prepare.format import is_prepared_folder

    if options.sample < 1:
        raise ValueError(f"--sample is {options.sample}, expected at least 1")
    if is_prepared_folder(options.root):
        raise ValueError(
            f"{options.root} contains prepared clips, not a download: give the folder with TACO's unpacked zips"
        )
    for flag, path in (
        ("--objects", options.objects),
        ("--suspects", options.suspects),
        ("--overlay", None if options.overlay is None else options.overlay / "KEY.jpg"),
    ):
        check_outside(options.root, path, flag)
        if path is not None:
            check_writable(flag, path)
