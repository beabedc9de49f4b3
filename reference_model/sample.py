"""``python -m reference_model.sample``: videos, tracks and motion pseudo-videos of clips, or of your own images."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.command_line import create_output_folder

if TYPE_CHECKING:
    from hoibench.clip import Request
    from hoibench.progress import MessageCallback
    from reference_model.method import SyncMV4DMethod

PROGRAM = "python -m reference_model.sample"


@dataclass(frozen=True)
class SampleOptions:
    """Generate videos, tracks and motion pseudo-videos. The same command resumes: completed clips are skipped.

    OUT is a folder of predictions: python -m hoibench.run --method NAME=OUT scores it.
    """

    out: Path
    """Output folder: seed-S/CLIP/view-*.mp4, motion-*.mp4, tracks.npz and prediction.json."""

    checkpoint: Path | None = None
    """Model folder that python -m reference_model.train wrote. Default: the model that is part of hoibench, micro."""

    dataset: str = "synthetic"
    """Data set of the clips (hoibench ls datasets)."""

    root: Path | None = None
    """Folder of the data set."""

    split: str | None = None
    """Split of the clips (hoibench ls splits). Default: the data set's default split."""

    limit: int | None = None
    """Use only this many clips of the split, from a fixed shuffle."""

    images: Path | None = None
    """Instead of a data set: a folder with clip.json and the reference images view-0.png, view-1.png, ..."""

    seed: int = 0
    """Random seed."""

    wan: Path | None = None
    """Wan2.2-TI2V-5B-Diffusers, or the folder that contains it, for parts that the checkpoint lacks."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the multi-view diffusion model; the rest is always float32."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to sample on."""


def sample_command(arguments: Sequence[str]) -> int:
    """Generate predictions for the clips or images that the command line names, and return the exit code, 0."""
    options = parse(SampleOptions, arguments, PROGRAM)
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected at least 1")
    if not 0 <= options.seed < 2**63:
        raise ValueError(f"--seed is {options.seed}, expected 0 or more, and less than 2**63")
    console = Console(stderr=True, emoji=False)

    def on_message(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    from hoibench.cli.run import resolve_device
    from hoibench.methods.method import Entrant, Runtime
    from hoibench.plugins import SPEC_FILE
    from hoibench.store import sampled_digest, write_bytes
    from reference_model.generation.inputs import check_request
    from reference_model.loading.model_folder import find_wan_parts, read_config_and_digest
    from reference_model.method import CUSTOM, SHIPPED, SyncMV4DMethod, read_spec, read_spec_text, wan_folder

    preset = SHIPPED if options.checkpoint is None else CUSTOM
    checkpoint = options.checkpoint or Path(str(read_spec().presets[SHIPPED].settings["checkpoint"]))
    config, digest = read_config_and_digest(checkpoint)
    source, requests = find_requests(options, on_message)
    device = resolve_device(options.device)
    parts = find_wan_parts(checkpoint, wan_folder(options.wan))
    settings = {
        "model": digest,
        "wan": {part.name: sampled_digest(part) for part in parts},
        "clips": source,
        "seed": options.seed,
        "precision": options.precision,
    }
    pending = {
        clip: build for clip, build in requests.items() if not is_done(prediction_folder(options, clip), settings)
    }
    if pending:
        build_first = next(iter(pending.values()))
        check_request(build_first(), config)  # before loading the model, which takes minutes
        create_output_folder(options.out)
        on_message(f"loading {checkpoint}")
        method = SyncMV4DMethod(
            Entrant(read_spec(), preset, {"checkpoint": checkpoint}),
            Runtime(device, options.precision, 1, options.wan),
        )
        with progress_bar(console) as on_progress:
            for done, (clip, build) in enumerate(pending.items()):
                on_progress(f"clip {clip}, clips", done, len(pending))
                generate_and_write(prediction_folder(options, clip), method, build(), settings)
            on_progress("clips", len(pending), len(pending))
    write_bytes(options.out / SPEC_FILE, read_spec_text().encode())  # so that predictions are scored as this method's
    Console(emoji=False).out(str(options.out), highlight=False)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sample command with readable errors, and return its exit code (0 done, 1 crash, 2 usage, 130 interrupted)."""
    logging.captureWarnings(True)
    return to_exit_code(sample_command, sys.argv[1:] if arguments is None else arguments)


def find_requests(options: SampleOptions, on_message: MessageCallback) -> tuple[str, dict[str, Callable[[], Request]]]:
    """Return a text that identifies the source of the clips, and, by clip id, a function that builds the clip's request."""
    from hoibench.store import sampled_digest
    from reference_model.method import read_spec

    if options.images is not None:
        from reference_model.generation.reference_images import read_request

        request = read_request(options.images, read_spec(), options.seed)
        return sampled_digest(options.images), {request.clip_id: lambda: request}
    from hoibench.clip_entry import ClipEntry
    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.registry import open_dataset
    from hoibench.evaluation.request import build_request

    dataset = open_dataset(options.dataset, options.root, on_message)
    manifest = dataset.manifest(options.split or dataset.default_split)
    entries = sample_clips(manifest.entries, options.limit)

    def builder(entry: ClipEntry) -> Callable[[], Request]:
        return lambda: build_request(dataset.load(entry), read_spec(), options.seed)

    return f"{dataset.name}, {manifest.truth_id}", {entry.id: builder(entry) for entry in entries}


def prediction_folder(options: SampleOptions, clip: str) -> Path:
    """Return the folder of a clip's prediction in the output folder, ``seed-S/CLIP``."""
    return options.out / f"seed-{options.seed}" / clip


def is_done(folder: Path, settings: dict[str, Any]) -> bool:
    """Return whether a folder has a complete prediction; ``settings`` are the model, seed, data and precision that it must have.

    Raises:
        ValueError: the folder has a prediction with other settings.
    """
    from hoibench.predictions import is_complete, read_prediction_record

    if not is_complete(folder):
        return False
    found = read_prediction_record(folder).request or {}
    different = [
        f"{name} was {found.get(name)}, now {settings.get(name)}"
        for name in dict.fromkeys([*settings, *found])
        if found.get(name) != settings.get(name)
    ]
    if different:
        raise ValueError(f"{folder} has a prediction with other settings ({'; '.join(different)}): give another --out")
    return True


def generate_and_write(folder: Path, method: SyncMV4DMethod, request: Request, settings: dict[str, Any]) -> None:
    """Generate the prediction for one request, and write it and its motion pseudo-videos (motion-0.mp4, ...) to a folder."""
    from hoibench.predictions import write_prediction
    from hoibench.store import remove_temporary_files
    from hoibench.video import encode

    remove_temporary_files(folder)  # of a killed command
    start = time.monotonic()
    generated = method.generate_with_motion(request)
    seconds = round(time.monotonic() - start, 3)
    for index, frames in enumerate(method.decode_motion(generated)):  # none from a model of videos only
        encode(folder / f"motion-{index}.mp4", frames, request.fps)
    write_prediction(folder, generated.prediction, request.fps, request=settings, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main())
