"""``hoibench data prepare``: the clips of a split, made from a TACO download."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro
from rich.console import Console

from hoibench.cli.data import check_outside
from hoibench.cli.exit_codes import as_crash
from hoibench.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from hoibench.datasets.split_files import SplitLine
    from hoibench.datasets.taco.download import TacoDownload
    from hoibench.datasets.taco.prepare.split import LineResult

BROKEN = 3


@dataclass(frozen=True)
class Prepare:
    """Make a split's clips of a TACO download: 49 frames of 480x704 at 8 fps, cropped, with tracks, visibility and masks.

    What is there is kept, so the same command goes on wherever it was stopped. A broken sequence is skipped and listed at the end; the exit
    code is then 3.
    """

    root: tyro.conf.Positional[Path]
    """The folder that TACO's zips were unpacked in."""

    split: str = "test"
    """Which clips (hoibench ls splits)."""

    out: Path | None = None
    """The folder of prepared clips, which --root of a run takes in the place of the download. Default: the cache, where a run on the download
    finds them."""

    cameras: Literal["split", "all"] = "split"
    """split: the cameras that the split names, three and a source. all: every camera that was downloaded, for training."""

    short: Literal["drop", "pad"] = "drop"
    """What happens to recordings shorter than a clip: left out, or filled up with their last frame."""

    limit: int | None = None
    """Take only this many clips, the same that a run's --limit takes."""

    workers: int | None = None
    """Sequences worked on at once. Default: one a core."""

    mano: Path | None = None
    """The folder of MANO_LEFT and MANO_RIGHT. Default: $HOIBENCH_MANO."""

    json: bool = False
    """Print JSON."""


def prepare_command(arguments: Sequence[str]) -> int:
    """Prepare; the exit code."""
    options = tyro.cli(Prepare, args=list(arguments), prog="hoibench data prepare")
    for name in ("limit", "workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} is {value}, expected at least 1")
    from hoibench.datasets.taco.clip_source import MANO_MISSING_WARNING, prepared_folder
    from hoibench.datasets.taco.download import TacoDownload
    from hoibench.datasets.taco.hand.hand_models import choose_hand_model, truth_kind
    from hoibench.datasets.taco.prepare.split import prepare_all, summarize
    from hoibench.datasets.taco.splits import split_lines

    tree = TacoDownload(options.root)
    check_outside(options.root, options.out)
    lines, left_out = _wanted(tree, split_lines(options.split), options)
    if not lines:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in left_out.items())
        raise ValueError(f"{options.root} gives no clip of split {options.split} ({reasons})")
    model = choose_hand_model(tree.hand_model, options.mano)
    out = options.out or prepared_folder(tree, model)
    console = Console(stderr=True)
    if truth_kind(tree.hand_model, model) == "proxy-hand":
        console.print(MANO_MISSING_WARNING, style="yellow", markup=False, highlight=False, soft_wrap=True)
    results: list[LineResult] = []
    try:
        with progress_bar(console) as on_progress:

            def on_result(result: LineResult) -> None:
                results.append(result)
                on_progress("clips", len(results), len(lines))

            workers = options.workers or os.cpu_count() or 1
            prepare_all(tree, lines, out, model=model, workers=workers, on_progress=on_result)
    finally:  # what is known is told, also after Ctrl-C or on a full disk
        report = summarize(results)
        facts = {"out": str(out), **asdict(report), "left_out": left_out}
        with as_crash():
            print(json.dumps(facts, indent=1) if options.json else _as_text(facts))
    return BROKEN if report.broken else 0


def _wanted(tree: TacoDownload, lines: Sequence[SplitLine], options: Prepare) -> tuple[list[SplitLine], dict[str, int]]:
    """The lines whose clips this download can give, and reason -> count of the others."""
    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.taco.splits import camera_by_camera, find_clip, select

    every = options.cameras == "all"
    asked = {line.entry.id: camera_by_camera(tree, line) if every else (line,) for line in lines}
    # All lines of a clip are there or absent together.
    first = [several[0] for several in asked.values()]
    selection = select(first, lambda line: find_clip(tree, line), with_short=options.short == "pad")
    clips = sample_clips([line.entry.id for line, _ in selection.found], options.limit)
    return [line for clip in clips for line in asked[clip]], dict(Counter(selection.left_out.values()).most_common())


def _as_text(facts: dict[str, Any]) -> str:
    lines = [f"left out, {count}: {reason}" for reason, count in facts["left_out"].items()]
    lines += [f"broken  {key}  {reason}" for key, reason in facts["broken"].items()]
    lines += [f"no source view  {key}  {reason}" for key, reason in facts["source_view_errors"].items()]
    counts = ", ".join(f"{len(facts[name])} {name}" for name in ("made", "kept", "broken"))
    return "\n".join([*lines, counts, facts["out"]])
