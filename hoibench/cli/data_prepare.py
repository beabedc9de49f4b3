"""``hoibench data prepare``: prepare the clips of a split from a TACO download."""

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

from hoibench.arguments import parse
from hoibench.cli.data import check_outside
from hoibench.cli.exit_codes import as_crash
from hoibench.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from hoibench.datasets.split_files import SplitLine
    from hoibench.datasets.taco.download import TacoDownload
    from hoibench.datasets.taco.prepare.split import LineResult

SOME_FAILED = 3


@dataclass(frozen=True)
class Prepare:
    """Prepare a split's clips from a TACO download: 49 frames of 480x704 at 8 fps, cropped, with tracks, visibility, masks and meshes.

    Existing clips are skipped, so the same command resumes after an interruption. Sequences that fail are listed at the end; the exit code is
    then 3.
    """

    root: tyro.conf.Positional[Path]
    """The folder with TACO's unpacked zips."""

    split: str = "test"
    """The split (hoibench ls splits)."""

    out: Path | None = None
    """The folder of prepared clips; a run accepts it as --root. Default: the cache, where a run on the download finds them."""

    cameras: Literal["split", "all"] = "split"
    """split: the split's cameras, three and a source. all: every downloaded camera, for training."""

    short: Literal["drop", "pad"] = "drop"
    """Drop recordings shorter than a clip, or pad them with their last frame."""

    limit: int | None = None
    """Prepare only this many clips, the ones that a run with this --limit uses."""

    workers: int | None = None
    """Number of sequences prepared at once. Default: one per core."""

    hwaccel: str | None = None
    """The kind of device that decodes the videos, e.g. cuda, if there is one. Default: software."""

    mano: Path | None = None
    """The folder of MANO_LEFT and MANO_RIGHT. Default: $HOIBENCH_MANO."""

    json: bool = False
    """Print JSON."""


def prepare_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench data prepare``: prepare the clips of a split, print a report, and return exit code 3 if a sequence failed, else 0."""
    options = parse(Prepare, arguments, "hoibench data prepare")
    for name in ("limit", "workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} is {value}, expected at least 1")
    from hoibench.datasets.taco.clip_source import MANO_MISSING_WARNING, prepared_folder
    from hoibench.datasets.taco.download import TacoDownload
    from hoibench.datasets.taco.hand.hand_models import choose_hand_model, truth_kind
    from hoibench.datasets.taco.prepare.split import prepare_all, summarize
    from hoibench.datasets.taco.splits import split_lines

    download = TacoDownload(options.root)
    check_outside(options.root, options.out)
    lines, left_out = _select_lines(download, split_lines(options.split), options)
    if not lines:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in left_out.items())
        raise ValueError(f"{options.root} has no clip of split {options.split} ({reasons})")
    model = choose_hand_model(download.hand_model, options.mano)
    out = options.out or prepared_folder(download, model)
    console = Console(stderr=True, emoji=False)
    if truth_kind(download.hand_model, model) == "proxy-hand":
        console.print(MANO_MISSING_WARNING, style="yellow", markup=False, highlight=False, soft_wrap=True)
    device = _find_device(options.hwaccel, console)
    results: list[LineResult] = []
    try:
        with progress_bar(console) as on_progress:

            def on_result(result: LineResult) -> None:
                results.append(result)
                on_progress("clips", len(results), len(lines))

            workers = options.workers or os.cpu_count() or 1
            prepare_all(download, lines, out, model=model, workers=workers, device=device, on_result=on_result)
    finally:  # print the report also after Ctrl-C or a full disk
        report = summarize(results)
        facts = {"out": str(out), **asdict(report), "left_out": left_out}
        with as_crash():
            print(json.dumps(facts, indent=1) if options.json else _as_text(facts))
    return SOME_FAILED if report.failed else 0


def _find_device(name: str | None, console: Console) -> str | None:
    """Return the kind of device that decodes videos, or None if there is none on this machine, which is printed."""
    from hoibench.video.decoder import find_device_problem

    problem = None if name is None else find_device_problem(name)
    if problem is None:
        return name
    text = f"--hwaccel {name}: {problem}; videos are decoded in software"
    console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    return None


def _select_lines(
    download: TacoDownload, lines: Sequence[SplitLine], options: Prepare
) -> tuple[list[SplitLine], dict[str, int]]:
    """Return the split's lines to prepare, one per clip or (with ``--cameras all``) per camera, and reason -> number of clips that are left out."""
    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.taco.splits import find_clip, lines_per_camera, select_clips

    every = options.cameras == "all"
    lines_by_id = {line.entry.id: lines_per_camera(download, line) if every else (line,) for line in lines}
    # All lines of a clip are available or not together.
    first = [clip_lines[0] for clip_lines in lines_by_id.values()]
    selection = select_clips(first, lambda line: find_clip(download, line), with_short=options.short == "pad")
    clips = sample_clips([line.entry.id for line, _ in selection.found], options.limit)
    return [line for clip in clips for line in lines_by_id[clip]], dict(
        Counter(selection.left_out.values()).most_common()
    )


def _as_text(facts: dict[str, Any]) -> str:
    lines = [f"left out, {count}: {reason}" for reason, count in facts["left_out"].items()]
    lines += [f"failed  {key}  {reason}" for key, reason in facts["failed"].items()]
    lines += [f"no source view  {key}  {reason}" for key, reason in facts["source_view_errors"].items()]
    lines += [f"warning  {key}  {text}" for key, texts in facts["warnings"].items() for text in texts]
    counts = ", ".join(f"{len(facts[name])} {name}" for name in ("created", "skipped", "failed"))
    return "\n".join([*lines, counts, facts["out"]])
