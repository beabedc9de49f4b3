"""``python -m reference_model.sample``: videos, tracks and motion pseudo-videos of some clips, or of images of one's own."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro
from rich.console import Console

from hoibench.cli.exit_codes import to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.command_line import create_output_folder, refuse_empty_arguments

if TYPE_CHECKING:
    from hoibench.clip import Request
    from reference_model.method import SyncMV4DMethod

PROGRAM = "python -m reference_model.sample"


@dataclass(frozen=True)
class Options:
    """Make videos and tracks, and keep the motion pseudo-videos beside them; what is there is kept, so the same command goes on where it was stopped.

    OUT is a folder of predictions: python -m hoibench.run --method NAME=OUT scores it.
    """

    checkpoint: Path
    """The model's folder, as python -m reference_model.train writes it."""

    out: Path
    """Where to write: seed-S/CLIP/view-*.mp4, motion-*.mp4, tracks.npz and prediction.json."""

    dataset: str = "synthetic"
    """Where clips come from (hoibench ls datasets)."""

    root: Path | None = None
    """Where the data set lies."""

    split: str | None = None
    """Which clips (hoibench ls splits). Default: the data set's own."""

    limit: int = 1
    """Take only this many clips."""

    images: Path | None = None
    """In place of a data set: a folder with clip.json and the reference images view-0.png, view-1.png, ..."""

    seed: int = 0
    """Seed of all that is drawn."""

    weights: Path | None = None
    """A copy of Wan2.2-TI2V-5B-Diffusers, or the folder that it lies in, for what the checkpoint does not hold."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the multi-view diffusion model; all else is float32."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to sample."""


def sample_command(arguments: Sequence[str]) -> int:
    """Sample; the exit code."""
    options = tyro.cli(Options, args=list(arguments), prog=PROGRAM)
    refuse_empty_arguments(arguments)
    if options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected at least 1")
    if not 0 <= options.seed < 2**63:
        raise ValueError(f"--seed is {options.seed}, expected 0 or more, and less than 2**63")
    console = Console(stderr=True)

    def note(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    from hoibench.cli.run import resolve_device
    from hoibench.methods.method import Entrant, Runtime
    from hoibench.store import sampled_digest
    from reference_model.generation.asked import check_request
    from reference_model.loading.saved_model import find_wan_parts, read_saved_config
    from reference_model.method import CUSTOM, SyncMV4DMethod, wan_folder
    from reference_model.spec import own_spec

    config, digest = read_saved_config(options.checkpoint)
    source, requests = _requests(options, note)
    device = resolve_device(options.device)
    parts = find_wan_parts(options.checkpoint, wan_folder(options.weights))
    asked = {
        "model": digest,
        "wan": {part.name: sampled_digest(part) for part in parts},
        "clips": source,
        "seed": options.seed,
        "precision": options.precision,
    }
    waiting = {clip: make for clip, make in requests.items() if not _is_kept(_folder(options, clip), asked)}
    if waiting:
        first = next(iter(waiting.values()))
        check_request(first(), config)  # before the model is loaded, which takes minutes
        create_output_folder(options.out)
        note(f"loading {options.checkpoint}")
        method = SyncMV4DMethod(
            Entrant(own_spec(), CUSTOM, {"checkpoint": options.checkpoint}),
            Runtime(device, options.precision, 1, options.weights),
        )
        with progress_bar(console) as on_progress:
            for done, (clip, make) in enumerate(waiting.items()):
                on_progress(f"clip {clip}, clips", done, len(waiting))
                _write(_folder(options, clip), method, make(), asked)
            on_progress("clips", len(waiting), len(waiting))
    _describe(options.out)
    Console().out(str(options.out), highlight=False)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample with every error in plain words; the exit code (0 done, 1 crash, 2 usage)."""
    logging.captureWarnings(True)
    return to_exit_code(sample_command, sys.argv[1:] if arguments is None else arguments)


def _requests(options: Options, note: Callable[[str], None]) -> tuple[str, dict[str, Callable[[], Request]]]:
    """What the clips are taken from, and how to make the request of each, by the clip's id."""
    from hoibench.store import sampled_digest
    from reference_model.spec import own_spec

    if options.images is not None:
        from reference_model.generation.reference_images import read_request

        request = read_request(options.images, options.seed)
        return sampled_digest(options.images), {request.clip_id: lambda: request}
    from hoibench.clip_entry import ClipEntry
    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.registry import open_dataset
    from hoibench.evaluation.request import build_request

    dataset = open_dataset(options.dataset, options.root, note)
    manifest = dataset.manifest(options.split or dataset.default_split)
    entries = sample_clips(manifest.entries, options.limit)

    def maker(entry: ClipEntry) -> Callable[[], Request]:
        return lambda: build_request(dataset.load(entry), own_spec(), options.seed)

    return f"{dataset.name}, {manifest.truth_id}", {entry.id: maker(entry) for entry in entries}


def _folder(options: Options, clip: str) -> Path:
    return options.out / f"seed-{options.seed}" / clip


def _is_kept(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether the folder holds what is asked for.

    Raises:
        ValueError: it holds something else.
    """
    from hoibench.predictions import is_complete, read_prediction_record

    if not is_complete(folder):
        return False
    found = read_prediction_record(folder).request
    if found != asked:
        raise ValueError(f"{folder} holds a prediction made otherwise ({found}, now {asked}): give another --out")
    return True


def _write(folder: Path, method: SyncMV4DMethod, request: Request, asked: dict[str, Any]) -> None:
    from hoibench.predictions import write_prediction
    from hoibench.video import encode

    begun = time.monotonic()
    answered = method.answer(request)
    seconds = round(time.monotonic() - begun, 3)
    for index, frames in enumerate(method.motion(answered)):
        encode(folder / f"motion-{index}.mp4", frames, request.fps)
    write_prediction(folder, answered.prediction, request.fps, request=asked, seconds=seconds)


def _describe(out: Path) -> None:
    """Put the method's spec beside the predictions, so that they are scored as its own."""
    from hoibench.plugins import SPEC_FILE
    from hoibench.store import write_bytes
    from reference_model.spec import spec_text

    write_bytes(out / SPEC_FILE, spec_text().encode())


if __name__ == "__main__":
    sys.exit(main())
