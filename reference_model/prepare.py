"""``python -m reference_model.prepare``: the latents and texts that training reads, made of a data set once."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from hoibench.cli.exit_codes import as_crash, to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.config import PRESETS, SyncMV4DConfig, preset
from reference_model.loading.folder import find_part

if TYPE_CHECKING:
    from hoibench.datasets.base import Dataset, Manifest
    from hoibench.progress import MessageCallback
    from reference_model.preparation.clips import Outcome
    from reference_model.preparation.job import Job
    from reference_model.preparation.shots import Shot

PROGRAM = "python -m reference_model.prepare"
BROKEN = 3


@dataclass(frozen=True)
class Prepare:
    """Encode a data set's videos, motion pseudo-videos and prompts once, so that training loads neither autoencoder nor text encoder.

    What is there is kept, so the same command goes on wherever it was stopped, and may run several times at once: processes share the clips.
    A broken clip is skipped and listed at the end with its reason; the exit code is then 3.
    """

    preset: Annotated[str, tyro.conf.arg(help=f"The model that is to be trained: {' or '.join(PRESETS)}.")]

    wan: Path
    """The checkpoint: a folder of Wan2.2-TI2V-5B-Diffusers, of which vae/, text_encoder/ and tokenizer/ are read."""

    dataset: Literal["synthetic", "taco"]
    """Where clips come from."""

    root: Path | None = None
    """TACO's download, or a folder that hoibench data prepare wrote. For synthetic clips: where they are kept, in place of the cache."""

    split: str = "train"
    """Which clips (hoibench ls splits)."""

    cameras: Literal["split", "all"] = "split"
    """split: the three cameras that the split names. all: every camera that TACO's clip has, of which training draws one a cluster."""

    limit: int | None = None
    """Take only this many clips."""

    size: tuple[int, int] | None = None
    """H W of the videos. Default: the preset's; the paper's first stage is 256 384."""

    stages: Path | None = None
    """The launch configuration of the training, where it changes the model, e.g. how motion is drawn."""

    out: Path | None = None
    """The folder of the cache. Default: latents/PRESET-SPLIT-HxW."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to encode."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """What latents and texts are stored in; they are computed in float32, the text encoder's weights being bfloat16."""

    json: bool = False
    """Print JSON."""


def prepare_command(arguments: Sequence[str]) -> int:
    """Prepare; the exit code."""
    options = tyro.cli(Prepare, args=list(arguments), prog=PROGRAM)
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected at least 1")
    config = _config(options)
    if options.size is not None:
        config = replace(config, height=options.size[0], width=options.size[1])
    console = Console(stderr=True)

    def note(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    for name in ("vae", "text_encoder", "tokenizer"):
        find_part(options.wan, name)
    from hoibench.cli.run import resolve_device

    device = resolve_device(options.device)

    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.registry import open_dataset
    from reference_model.preparation.shots import shots_of

    dataset = open_dataset(options.dataset, options.root, note)
    _check_frames(dataset, options, config)
    manifest = dataset.manifest(options.split)
    shots = list(shots_of(dataset, sample_clips(manifest.entries, options.limit), options.cameras))
    if not shots:
        raise ValueError(
            f"split {options.split} gives no clip ({'; '.join(manifest.exclusion_summary) or 'it is empty'})"
        )
    job = _job(options, config, manifest, device, note)
    return _run(job, shots, manifest, console, as_json=options.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare with every error in plain words; the exit code (0 done, 2 usage, 3 done but for broken clips)."""
    logging.captureWarnings(True)
    return to_exit_code(prepare_command, sys.argv[1:] if arguments is None else arguments)


def _config(options: Prepare) -> SyncMV4DConfig:
    """The preset as it is to be trained, on its own grid."""
    config = preset(options.preset)
    if options.stages is None:
        return config
    from reference_model.training.config import read_launch

    return replace(read_launch(options.stages, config).model, height=config.height, width=config.width)


def _job(options: Prepare, config: SyncMV4DConfig, manifest: Manifest, device: str, note: MessageCallback) -> Job:
    """What is to be done, and where; the folder is claimed for it, once the checkpoint is known to be whole."""
    from hoibench import __version__
    from hoibench.cli.data import check_outside
    from reference_model.cache.metadata import Origin, claim, is_claimed, of_config, refuse_foreign, weights_digest
    from reference_model.preparation.job import Job
    from reference_model.preparation.parts import check_parts

    split = manifest.split.replace("/", "-")
    out = options.out or Path("latents") / f"{options.preset}-{split}-{config.height}x{config.width}"
    if options.root is not None:
        check_outside(options.root, out)
    refuse_foreign(out)
    note(f"hashing the weights in {options.wan}")
    origin = Origin(
        **of_config(config),
        dtype=options.dtype,
        dataset=options.dataset,
        split=manifest.split,
        split_id=manifest.split_id,
        truth_id=manifest.truth_id,
        vae=weights_digest(options.wan, "vae"),
        text_encoder=weights_digest(options.wan, "text_encoder", "tokenizer"),
        hoibench=__version__,
    )
    if not is_claimed(out, origin):
        check_parts(options.wan, config)
        claim(out, origin)
    return Job(out, origin, config, options.wan, device)


def _run(job: Job, shots: Sequence[Shot], manifest: Manifest, console: Console, *, as_json: bool) -> int:
    from reference_model.preparation.clips import prepare_clips
    from reference_model.preparation.prompts import prepare_text
    from reference_model.preparation.report import as_text, facts_of

    outcomes: list[Outcome] = []
    total = sum(len(shot.views) for shot in shots)
    clips = len({shot.clip for shot in shots})
    prompts = 0, 0
    try:
        with progress_bar(console) as on_progress:
            prompts = prepare_text(job, ["", *(shot.prompt for shot in shots)], partial(on_progress, "prompts"))

            def told(outcome: Outcome) -> None:
                outcomes.append(outcome)
                on_progress(f"clip {len({each.clip for each in outcomes})} of {clips}, views", len(outcomes), total)

            on_progress("views", 0, total)
            prepare_clips(job, shots, told)
    finally:  # what is known is told, also after Ctrl-C or on a full disk
        if outcomes:
            facts = facts_of(job.out, outcomes, manifest, prompts)
            with as_crash():
                Console().out(json.dumps(facts, indent=1) if as_json else as_text(facts), highlight=False)
    return BROKEN if any(outcome.status == "broken" for outcome in outcomes) else 0


def _check_frames(dataset: Dataset, options: Prepare, config: SyncMV4DConfig) -> None:
    if dataset.grid is None or dataset.grid.frames == config.frames:
        return
    fitting = [name for name, each in PRESETS.items() if each.frames == dataset.grid.frames]
    raise ValueError(
        f"clips of {dataset.name} have {dataset.grid.frames} frames, preset {options.preset} takes {config.frames}: "
        + (f"give --preset {' or '.join(fitting)}" if fitting else "no preset takes that many")
    )


if __name__ == "__main__":
    sys.exit(main())
