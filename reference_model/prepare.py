"""``python -m reference_model.prepare``: encode a data set's videos, motion pseudo-videos and prompts into a latent cache for training."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import as_crash, to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.command_line import require_wan
from reference_model.config import PRESETS, SyncMV4DConfig, preset
from reference_model.loading.folder import WAN_PARTS, find_part

if TYPE_CHECKING:
    from hoibench.datasets.base import Dataset, Manifest
    from hoibench.progress import MessageCallback
    from reference_model.preparation.clips import ViewResult
    from reference_model.preparation.fitted_parts import FittingData
    from reference_model.preparation.job import PreparationJob
    from reference_model.preparation.view_groups import ViewGroup

PROGRAM = "python -m reference_model.prepare"
EXIT_SOME_FAILED = 3
"""Exit code if some clips failed and the others were prepared."""


@dataclass(frozen=True)
class PrepareOptions:
    """Encode a data set's videos, motion pseudo-videos and prompts once, so that training needs no text encoder.

    Completed views are kept: the same command resumes after an interruption, and several commands share the clips, for example one per GPU.
    Clips that fail are listed at the end with the reason; the exit code is then 3.
    """

    preset: Annotated[str, tyro.conf.arg(help=f"The model to train: {' or '.join(PRESETS)}.")]

    dataset: Literal["synthetic", "taco"]
    """Data set."""

    wan: Path | None = None
    """Folder with vae/, text_encoder/ and tokenizer/: Wan2.2-TI2V-5B-Diffusers, or for a small model the parts of another cache (CACHE/parts) or of a
    trained model. Without it nano has random parts, and micro has parts fitted to the clips; both are kept in CACHE/parts."""

    root: Path | None = None
    """TACO's download, or a folder written by hoibench data prepare. For synthetic clips: their folder instead of the cache."""

    split: str = "train"
    """Split of the data set (hoibench ls splits)."""

    cameras: Literal["split", "all"] = "split"
    """split: the three cameras of the split. all: every camera of TACO's clip; training draws one per cluster."""

    limit: int | None = None
    """Number of clips to prepare. Default: all."""

    size: tuple[int, int] | None = field(default=None, metadata={"metavar": "H,W"})
    """Height and width of the videos. Default: the preset's; the paper's first stage has 256,384."""

    launch: Path | None = None
    """Launch configuration of the training, if it changes the model, for example the pseudo-videos."""

    out: Path | None = None
    """Folder of the cache. Default: latents/PRESET-SPLIT-HxW."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to encode on."""

    processes: int = 1
    """Number of processes that share the clips, each with one thread: with synthetic clips, the number of cores."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of stored latents and embeddings; latents are computed in float32, embeddings in bfloat16."""

    json: bool = False
    """Print JSON."""


def prepare_command(arguments: Sequence[str]) -> int:
    """Run ``python -m reference_model.prepare`` with these arguments, and return the exit code (0 done, 3 some clips failed)."""
    options = parse(PrepareOptions, arguments, PROGRAM)
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected at least 1")
    if options.processes < 1:
        raise ValueError(f"--processes is {options.processes}, expected at least 1")
    config = _read_config(options)
    if options.size is not None:
        config = replace(config, height=options.size[0], width=options.size[1])
    console = Console(stderr=True, emoji=False)

    def on_message(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    require_wan(options.preset, config, options.wan)
    for name in WAN_PARTS if options.wan is not None else ():
        find_part(options.wan, name)
    from hoibench.cli.run import resolve_device

    device = resolve_device(options.device)

    from hoibench.datasets.base import sample_clips
    from hoibench.datasets.registry import open_dataset
    from reference_model.preparation.fitted_parts import FittingData
    from reference_model.preparation.view_groups import group_views

    # Worker processes get a copy of the data set, without its messages.
    dataset = open_dataset(options.dataset, options.root, on_message if options.processes == 1 else None)
    _check_frames(dataset, options, config)
    manifest = dataset.manifest(options.split)
    groups = list(group_views(dataset, sample_clips(manifest.entries, options.limit), options.cameras))
    if not groups:
        raise ValueError(
            f"split {options.split} has no clips ({'; '.join(manifest.exclusion_summary) or 'it is empty'})"
        )
    with progress_bar(console) as on_progress:
        data = FittingData.sample(dataset, manifest, options.cameras, options.limit, options.processes, on_progress)
        job = _open_job(options, config, manifest, data, device, on_message)
    return _run(job, groups, manifest, options.processes, console, as_json=options.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``python -m reference_model.prepare`` and return the exit code; errors are printed as one sentence.

    Returns:
        The exit code: 0 done, 1 crash or full disk, 2 wrong usage, 3 some clips failed, 130 interrupted.
    """
    logging.captureWarnings(True)
    return to_exit_code(prepare_command, sys.argv[1:] if arguments is None else arguments)


def _read_config(options: PrepareOptions) -> SyncMV4DConfig:
    """Return the model's preset with the changes in the launch configuration, but with the video size of the preset."""
    config = preset(options.preset)
    if options.launch is None:
        return config
    from reference_model.training.config import read_launch

    return replace(read_launch(options.launch, config).model, height=config.height, width=config.width)


def _open_job(
    options: PrepareOptions,
    config: SyncMV4DConfig,
    manifest: Manifest,
    data: FittingData,
    device: str,
    on_message: MessageCallback,
) -> PreparationJob:
    """Check the model's parts and write the settings of the latent cache, unless it has them, and return the job of filling it."""
    from hoibench import __version__
    from hoibench.cli.data import check_outside
    from reference_model.cache.settings import (
        CacheSettings,
        check_folder,
        config_settings,
        ensure_cache_settings,
        has_settings,
        parts_folder,
        weights_digest,
    )
    from reference_model.preparation.job import PreparationJob, check_parts
    from reference_model.preparation.own_parts import ensure_own_parts

    split = manifest.split.replace("/", "-")
    out = options.out or Path("latents") / f"{options.preset}-{split}-{config.height}x{config.width}"
    if options.root is not None:
        check_outside(options.root, out)
    check_folder(out)
    if config.parts == "fitted" and options.wan is None and not parts_folder(out).is_dir():
        on_message(
            f"fitting an autoencoder to clips of {manifest.split}, in one process while others wait;"
            " for that of another cache or of a trained model, stop and give --wan CACHE/parts or MODEL"
        )
    parts = options.wan or ensure_own_parts(out, config, data)
    on_message(f"hashing the weights in {parts}")
    settings = CacheSettings(
        **config_settings(config),
        dtype=options.dtype,
        dataset=options.dataset,
        split=manifest.split,
        split_id=manifest.split_id,
        truth_id=manifest.truth_id,
        vae=weights_digest(parts, "vae"),
        text_encoder=weights_digest(parts, "text_encoder", "tokenizer"),
        hoibench=__version__,
    )
    if not has_settings(out, settings):
        check_parts(parts, config)
        ensure_cache_settings(out, settings)
    return PreparationJob(out, settings, config, parts, device)


def _run(
    job: PreparationJob,
    groups: Sequence[ViewGroup],
    manifest: Manifest,
    processes: int,
    console: Console,
    *,
    as_json: bool,
) -> int:
    from reference_model.preparation.clips import prepare_clips
    from reference_model.preparation.parallel import prepare_clips_in_parallel
    from reference_model.preparation.prompts import prepare_text

    results: list[ViewResult] = []
    total = sum(len(group.views) for group in groups)
    clips = len({group.clip for group in groups})
    prompts = 0, 0
    try:
        with progress_bar(console) as on_progress:
            wanted = ["", *(group.prompt for group in groups)]
            if job.config.cycle.word_dropout:
                from reference_model.loading.text_table import unknown_prompt

                wanted.append(unknown_prompt(job.config.text_tokens))
            prompts = prepare_text(job, wanted, partial(on_progress, "prompts"))

            def on_result(result: ViewResult) -> None:
                results.append(result)
                on_progress(f"clip {len({each.clip for each in results})} of {clips}, views", len(results), total)

            on_progress("views", 0, total)
            if processes == 1:
                prepare_clips(job, groups, on_result)
            else:
                prepare_clips_in_parallel(job, groups, processes, on_result)
    finally:  # report also after Ctrl-C or on a full disk
        if results:
            report = _build_report(job.folder, results, manifest, prompts)
            with as_crash():
                Console(emoji=False).out(
                    json.dumps(report, indent=1) if as_json else _format_report(report), highlight=False
                )
    return EXIT_SOME_FAILED if any(result.status == "failed" for result in results) else 0


def _build_report(
    out: Path, results: Sequence[ViewResult], manifest: Manifest, prompts: tuple[int, int]
) -> dict[str, Any]:
    counts = Counter(result.status for result in results)
    return {
        "out": str(out),
        "clips": len({result.clip for result in results}),
        "views": {status: counts[status] for status in ("created", "skipped", "failed")},
        "failed": {f"{each.clip}/{each.view}": each.reason for each in results if each.status == "failed"},
        "excluded": dict(Counter(manifest.left_out.values()).most_common()),
        "prompts": dict(zip(("created", "skipped"), prompts, strict=True)),
    }


def _format_report(report: Mapping[str, Any]) -> str:
    lines = [f"excluded, {count}: {reason}" for reason, count in report["excluded"].items()]
    lines += [f"failed  {key}  {reason}" for key, reason in report["failed"].items()]
    for name in ("views", "prompts"):
        lines.append(f"{name}: " + ", ".join(f"{count} {status}" for status, count in report[name].items()))
    return "\n".join([*lines, report["out"]])


def _check_frames(dataset: Dataset, options: PrepareOptions, config: SyncMV4DConfig) -> None:
    if dataset.grid is None or dataset.grid.frames == config.frames:
        return
    fitting = [name for name, each in PRESETS.items() if each.frames == dataset.grid.frames]
    raise ValueError(
        f"clips of {dataset.name} have {dataset.grid.frames} frames, preset {options.preset} takes {config.frames}: "
        + (f"give --preset {' or '.join(fitting)}" if fitting else "no preset takes that many")
    )


if __name__ == "__main__":
    sys.exit(main())
