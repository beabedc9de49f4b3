"""``python -m reference_model.train``: train SyncMV4D on latent caches (section 4.2 of its paper).

    python -m reference_model.train --preset nano --cache CACHE --out RUN
    torchrun --nproc-per-node 8 -m reference_model.train --preset wan22_5b --engine zero3 --cache LOW,HIGH --wan WAN --out RUN
    deepspeed --num_gpus 8 --no_local_rank --module reference_model.train ...

Both launchers set RANK, LOCAL_RANK and WORLD_SIZE; without these variables there is one process.  Run the same command again to resume from the
newest checkpoint.

SIGTERM or Ctrl-C stops after the current iteration with a checkpoint and exit code 75; a second signal, more than two seconds later, ends the process
at once, as does the first while it loads or writes the model.  Launchers kill after a grace period (torchrun: 30 s), so signal the processes directly
if saving takes longer.  Launchers also replace the exit code (torchrun by 1): look for "stopped with a checkpoint", or for RUN/model.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.command_line import create_output_folder, require_wan
from reference_model.config import SyncMV4DConfig, preset

if TYPE_CHECKING:
    from reference_model.cache import LatentCache
    from reference_model.model import SyncMV4D
    from reference_model.training.config import Launch
    from reference_model.training.data import TrainingData
    from reference_model.training.distributed import Processes
    from reference_model.training.engine import Engine
    from reference_model.training.run_folder import RunFolder

PROGRAM = "python -m reference_model.train"
_STARTS = ("wan", "random")
EXIT_STOPPED = 75
"""Exit code of a training that was stopped; the same command resumes it."""


@dataclass(frozen=True)
class TrainOptions:
    """Train a model on latent caches of python -m reference_model.prepare, or resume a training.

    The same command resumes from the newest checkpoint. Ctrl-C or SIGTERM stops after the iteration with a checkpoint and exit code 75; a second one,
    more than two seconds later, ends the process at once, as does the first while it loads or writes the model; nothing saved is lost. For several
    GPUs: torchrun --nproc-per-node 8 -m reference_model.train ..., which exits with 1 instead of 75: look for "stopped with a checkpoint".
    """

    preset: str
    """The model (python -m reference_model.info lists them)."""

    cache: tuple[Path, ...]
    """Latent caches, one for each video size of the stages."""

    out: Path
    """Folder of the run: checkpoints, loss curve, and at the end the model."""

    wan: Path | None = None
    """Folder of Wan2.2-TI2V-5B-Diffusers: training starts from its transformer and uses its autoencoder in the loop. Leave it out if the cache was
    prepared without it, as for nano."""

    launch: Path | None = None
    """Launch configuration: stages, settings, changes to the model. Default: reference_model/training/launch/PRESET.toml."""

    initial: str | None = None
    """Initial weights: wan, random, or the folder of a trained common start of the ablations. Default: wan with --wan, else random."""

    engine: Literal["ddp", "zero3"] = "ddp"
    """ddp: every process holds the complete model. zero3: DeepSpeed shards it."""

    iterations: int | None = None
    """End this session after this many iterations in total, with the model so far in OUT/model-ITERATIONS; the same command without it resumes."""

    seed: int | None = None
    """Replaces the launch configuration's seed."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on."""


def train_command(arguments: Sequence[str]) -> int:
    """Run ``python -m reference_model.train`` with these arguments, and return the exit code (0 done, 75 stopped by a signal)."""
    options = parse(TrainOptions, arguments, PROGRAM)
    if not options.cache:
        raise ValueError("--cache has no folder: give one or more written by python -m reference_model.prepare")
    from hoibench.cli.run import resolve_device
    from reference_model.loading.model_folder import read_config_and_digest
    from reference_model.preparation.own_parts import ensure_own_parts
    from reference_model.training.config import launch_file, read_launch
    from reference_model.training.data import open_stages
    from reference_model.training.distributed import init_distributed
    from reference_model.training.run_folder import RunFolder, RunSettings

    launch = read_launch(options.launch or launch_file(options.preset), preset(options.preset))
    require_wan(options.preset, launch.model, options.wan)
    if options.initial == "wan" and options.wan is None:
        raise ValueError("--initial wan needs --wan FOLDER: give it, or leave out --initial")
    options = replace(options, initial=options.initial or ("random" if options.wan is None else "wan"))
    start = (
        options.initial if options.initial in _STARTS else f"model {read_config_and_digest(Path(options.initial))[1]}"
    )
    if options.seed is not None:
        launch = launch._replace(training=replace(launch.training, seed=options.seed))
    if options.iterations is not None and not 1 <= options.iterations <= launch.training.iterations:
        raise ValueError(f"--iterations is {options.iterations}, expected 1 to {launch.training.iterations}")
    caches, data = open_stages(options.cache, launch, options.preset)
    folder = RunFolder(options.out)
    settings = RunSettings(
        model=launch.model,
        training=launch.training,
        engine=options.engine,
        caches={size: each.settings.id for size, each in caches.items()},
        start=start,
    )
    parts = options.wan or ensure_own_parts(options.cache[0], launch.model)
    with init_distributed(resolve_device(options.device)) as group, ExitStack() as locks:
        with group.raise_together():
            if group.is_main:
                _check_parts(options, parts, launch.model, caches.values())
                create_output_folder(options.out)
                locks.enter_context(folder.locked())
                folder.ensure_settings(settings)
        if group.broadcast(folder.is_finished):
            console = Console(stderr=True, emoji=False, quiet=not group.is_main)
            console.print(f"already finished: {folder.model}", markup=False, highlight=False, soft_wrap=True)
            return 0
        return _train(options, launch, parts, data, folder, group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``python -m reference_model.train`` and return the exit code; errors are printed as one sentence.

    Returns:
        The exit code: 0 done, 1 crash or full disk, 2 wrong usage, 75 stopped with a checkpoint, 130 interrupted outside the training loop.
    """
    logging.captureWarnings(True)
    return to_exit_code(train_command, sys.argv[1:] if arguments is None else arguments)


def _train(
    options: TrainOptions,
    launch: Launch,
    parts: Path,
    data: Sequence[TrainingData],
    folder: RunFolder,
    group: Processes,
) -> int:
    from reference_model.loading.autoencoder import load_autoencoders
    from reference_model.training.engine import open_engine
    from reference_model.training.loop import train
    from reference_model.training.step import TrainingJob

    config, training = launch
    autoencoders = load_autoencoders(parts, config, group.device)
    engine = open_engine(options.engine, _build_model(options, launch), training, group)
    until = options.iterations or training.iterations
    job = TrainingJob(folder, config, training, data, autoencoders, until)
    console = Console(stderr=True, emoji=False, quiet=not group.is_main)
    with progress_bar(console) as on_progress:
        ending = train(job, engine, group, on_progress)
    if ending == "stopped":
        console.print(
            f"stopped with a checkpoint; resume by the same command: {PROGRAM} ... --out {options.out}",
            markup=False,
            soft_wrap=True,
        )
        return EXIT_STOPPED
    model = folder.model if until == training.iterations else folder.model_after(until)
    _write_model(engine, config, model, parts, group)
    console.print(str(model), markup=False, highlight=False, soft_wrap=True)
    return 0


def _check_parts(options: TrainOptions, parts: Path, config: SyncMV4DConfig, caches: Iterable[LatentCache]) -> None:
    """Check that the model's parts fit the training, before any model is loaded.

    Wan's transformer, if training starts from it, and the autoencoder must fit the model, and the latent caches must be encoded by that autoencoder.

    Raises:
        FileNotFoundError: a part is missing.
        ValueError: a part is damaged or does not fit.
    """
    from reference_model.cache.settings import weights_digest
    from reference_model.loading.autoencoder import check_vae, open_vae
    from reference_model.loading.transformer import open_mjd, open_start

    if options.wan is not None and options.initial == "wan":
        open_mjd(options.wan, config)
    if options.initial not in (*_STARTS, None):
        open_start(Path(options.initial), config)
    check_vae(open_vae(parts)[0], config, parts / "vae")
    digest = weights_digest(parts, "vae")
    for cache in caches:
        if cache.settings.vae != digest:
            raise ValueError(
                f"{cache.folder} was encoded by another autoencoder ({cache.settings.vae}) than {parts / 'vae'} ({digest}):"
                " give the --wan that it was prepared with, or none if it was prepared without"
            )


def _build_model(options: TrainOptions, launch: Launch) -> SyncMV4D:
    """Build the initial model, equal in all processes: its diffusion model as ``--initial`` says, its points aligner with random weights."""
    import torch

    from reference_model.loading.transformer import load_from_start, load_mjd
    from reference_model.model import SyncMV4D

    config, training = launch
    torch.manual_seed(training.seed)
    dtype = torch.bfloat16 if options.engine == "zero3" and training.precision == "bf16" else torch.float32
    if options.initial == "random" or options.initial is None:
        return SyncMV4D(config)
    if options.initial == "wan":
        assert options.wan is not None, "checked before"
        return SyncMV4D(config, load_mjd(options.wan, config, dtype=dtype))
    return SyncMV4D(config, load_from_start(Path(options.initial), config, dtype=dtype))


def _write_model(engine: Engine, config: SyncMV4DConfig, folder: Path, parts: Path, group: Processes) -> None:
    """Save the trained model to a folder, in the main process; all processes call this."""
    import torch

    from reference_model.loading.saved_model import save_model
    from reference_model.model import SyncMV4D

    weights = engine.weights()  # a collective operation
    if group.is_main:
        with torch.device("meta"):
            model = SyncMV4D(config)
        model.load_state_dict(weights, assign=True)
        save_model(folder, model, parts)


if __name__ == "__main__":
    sys.exit(main())
