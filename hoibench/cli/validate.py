"""``hoibench validate``: check a submission before it is handed in or scored, or a packed result before it is published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from hoibench.arguments import parse
from hoibench.cli.output import StatusConsole
from hoibench.cli.progress_bar import progress_bar
from hoibench.text import count

if TYPE_CHECKING:
    from hoibench.submissions.validate import Validation

PROBLEMS = 3
_MAX_LINES = 100


@dataclass(frozen=True)
class Validate:
    """Check a submission, a folder or a zip with submission.toml and predictions, or a pack: every problem is printed, nothing is scored.

    Videos and arrays are read completely, in a process with limits of memory and time; no code of the submission runs.
    The exit code is 3 if there are problems, else 0.
    """

    path: tyro.conf.Positional[Path]
    """The submission's folder or zip, or the folder of a pack."""

    root: Path | None = None
    """The folder of its data set, for a split that is not part of hoibench."""

    json: bool = False
    """Print JSON."""


def validate_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench validate``: print the problems of a submission; return exit code 3 if it has any, else 0."""
    options = parse(Validate, arguments, "hoibench validate")
    from hoibench.submissions.validate import validate

    with progress_bar(StatusConsole()) as on_progress:
        result = validate(options.path, options.root, on_progress)
    problems = [str(problem) for problem in result.problems]
    if options.json:
        counts = {"predictions": 0, "clips": 0, "seeds": 0}
        if result.layout is not None:
            counts = {
                "predictions": len(result.layout.predictions),
                "clips": result.layout.clips,
                "seeds": result.layout.seeds,
            }
        print(json.dumps({"problems": problems, **counts}))
    else:
        for line in problems[:_MAX_LINES]:
            print(line)
        if len(problems) > _MAX_LINES:
            print(f"and {len(problems) - _MAX_LINES} more; --json lists all")
        print(f"{options.path}: {_contents(result)}, {count(len(problems), 'problem')}")
    return PROBLEMS if problems else 0


def _contents(result: Validation) -> str:
    if result.layout is None:
        return "pack" if result.is_pack else "not unpacked"
    parts = (count(result.layout.clips, "clip"), count(result.layout.seeds, "seed"))
    return f"{count(len(result.layout.predictions), 'prediction')} of {', '.join(parts)}"
