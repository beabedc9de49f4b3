"""``python -m reference_model.train``: train SyncMV4D on latent caches (section 4.2).

    python -m reference_model.train --preset nano --cache CACHE --wan WAN --out RUN
    torchrun --nproc-per-node 8 -m reference_model.train --preset wan22_5b --engine zero3 --cache LOW HIGH --wan WAN --out RUN
    deepspeed --num_gpus 8 --no_local_rank --module reference_model.train ...

Either launcher tells each process its RANK, LOCAL_RANK and WORLD_SIZE; without them there is one process.  The same command goes on from the newest
checkpoint.  SIGTERM or Ctrl-C ends it after the iteration with a checkpoint and exit code 75: run it again; a second one, more than two seconds
later, ends it at once.  Launchers have a grace of their own before they kill (torchrun's is 30 s), so send the signal to the processes where saving
takes longer.  Launchers give an exit code of their own too (torchrun 1): "stopped with a checkpoint" tells, or that RUN/model is not there yet.
While it loads, or writes the model at the end, a signal ends it at once; the same command goes on from the newest checkpoint.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console

from hoibench.cli.exit_codes import to_exit_code
from hoibench.cli.progress_bar import progress_bar
from reference_model.command_line import make_out, refuse_empty
from reference_model.config import SyncMV4DConfig, preset

if TYPE_CHECKING:
    from reference_model.cache import LatentCache
    from reference_model.model import SyncMV4D
    from reference_model.training.config import Launch
    from reference_model.training.data import TrainingData
    from reference_model.training.engine import Engine
    from reference_model.training.run_folder import RunFolder
    from reference_model.training.world import World

PROGRAM = "python -m reference_model.train"
AGAIN = 75
"""Exit code of a training that was stopped: the same command goes on."""


@dataclass(frozen=True)
class Train:
    """Train a model on what python -m reference_model.prepare wrote, or go on where a training stopped.

    The same command goes on from the newest checkpoint. Ctrl-C or SIGTERM ends it after the iteration with a checkpoint and exit code 75; a second
    one, more than two seconds later, ends it at once, and so does the first while it loads or writes the model; nothing saved is lost. For several
    GPUs: torchrun --nproc-per-node 8 -m reference_model.train ..., which gives 1 instead of 75: look for "stopped with a checkpoint".
    """

    preset: str
    """The model (python -m reference_model.info lists them)."""

    cache: tuple[Path, ...]
    """Latent caches, one for each size of video that the stages have."""

    wan: Path
    """A folder of Wan2.2-TI2V-5B-Diffusers: its transformer is what training starts from, its autoencoder closes the loop."""

    out: Path
    """The folder of the training: checkpoints, loss curve, and at the end the model."""

    stages: Path | None = None
    """A launch configuration: stages, numbers, changes to the model. Default: the preset's, reference_model/training/launch/PRESET.toml."""

    start: Literal["wan", "random"] = "wan"
    """What the weights are at first."""

    engine: Literal["ddp", "zero3"] = "ddp"
    """ddp: every process holds the whole model. zero3: DeepSpeed shares it out."""

    iterations: int | None = None
    """End this session once so many iterations are done in all; the same command without it goes on."""

    seed: int | None = None
    """In place of the launch configuration's."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""


def train_command(arguments: Sequence[str]) -> int:
    """Train; the exit code."""
    options = tyro.cli(Train, args=list(arguments), prog=PROGRAM)
    refuse_empty(arguments)
    if not options.cache:
        raise ValueError("--cache names no folder: give one or more that python -m reference_model.prepare wrote")
    from hoibench.cli.run import resolve_device
    from reference_model.training.config import launch_file, read_launch
    from reference_model.training.data import open_stages
    from reference_model.training.run_folder import RunFolder
    from reference_model.training.world import joined

    launch = read_launch(options.stages or launch_file(options.preset), preset(options.preset))
    if options.seed is not None:
        launch = launch._replace(training=replace(launch.training, seed=options.seed))
    if options.iterations is not None and not 1 <= options.iterations <= launch.training.iterations:
        raise ValueError(f"--iterations is {options.iterations}, expected 1 to {launch.training.iterations}")
    caches, data = open_stages(options.cache, launch, options.preset)
    folder = RunFolder(options.out)
    with joined(resolve_device(options.device)) as world, ExitStack() as held:
        with world.together():
            if world.leads:
                _check_wan(options, launch.model, caches.values())
                make_out(options.out)
                held.enter_context(folder.held())
                ids = {size: each.origin.id for size, each in caches.items()}
                folder.claim(*launch, options.engine, ids, options.start)
        if world.agreed(folder.finished):
            told = Console(stderr=True, quiet=not world.leads)
            told.print(f"finished already: {folder.model}", markup=False, highlight=False, soft_wrap=True)
            return 0
        return _train(options, launch, data, folder, world)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with every error in plain words; the exit code (0 done, 2 usage, 75 stopped: run again)."""
    logging.captureWarnings(True)
    return to_exit_code(train_command, sys.argv[1:] if arguments is None else arguments)


def _train(options: Train, launch: Launch, data: Sequence[TrainingData], folder: RunFolder, world: World) -> int:
    from reference_model.latents import VideoCoder
    from reference_model.training.engine import open_engine
    from reference_model.training.iteration import Training
    from reference_model.training.loop import train
    from reference_model.wan import load_vae

    config, training = launch
    coder = VideoCoder(load_vae(options.wan).to(world.device))
    engine = open_engine(options.engine, _model(options, launch), training, world)
    until = options.iterations or training.iterations
    job = Training(folder, config, training, data, coder, until)
    console = Console(stderr=True, quiet=not world.leads)
    with progress_bar(console) as on_progress:
        ending = train(job, engine, world, on_progress)
    if ending == "stopped":
        console.print(
            f"stopped with a checkpoint; the same command goes on: {PROGRAM} ... --out {options.out}",
            markup=False,
            soft_wrap=True,
        )
        return AGAIN
    if until == training.iterations:
        _write_model(engine, config, folder, options.wan, world)
        console.print(str(folder.model), markup=False, highlight=False, soft_wrap=True)
    return 0


def _check_wan(options: Train, config: SyncMV4DConfig, caches: Iterable[LatentCache]) -> None:
    """The model must begin with what the checkpoint has and take what its autoencoder gives, and that must be the caches' own."""
    from reference_model.cache.metadata import weights_digest
    from reference_model.wan import check_vae, open_mjd, open_vae

    wan = options.wan
    if options.start == "wan":
        open_mjd(wan, config)
    check_vae(open_vae(wan)[0], config, wan / "vae")
    digest = weights_digest(wan, "vae")
    for cache in caches:
        if cache.origin.vae != digest:
            raise ValueError(
                f"{cache.folder} was encoded by another autoencoder ({cache.origin.vae}) than {wan / 'vae'} ({digest}):"
                " give the --wan that it was prepared with"
            )


def _model(options: Train, launch: Launch) -> SyncMV4D:
    """The model to begin with, alike on all processes."""
    import torch

    from reference_model.model import SyncMV4D
    from reference_model.wan import load_mjd

    config, training = launch
    torch.manual_seed(training.seed)
    dtype = torch.bfloat16 if options.engine == "zero3" and training.precision == "bf16" else torch.float32
    return SyncMV4D(config, load_mjd(options.wan, config, dtype=dtype) if options.start == "wan" else None)


def _write_model(engine: Engine, config: SyncMV4DConfig, folder: RunFolder, wan: Path, world: World) -> None:
    """Write the trained model's folder."""
    import torch

    from reference_model.model import SyncMV4D
    from reference_model.saved_model import save_model

    weights = engine.weights()  # all processes take part
    if world.leads:
        with torch.device("meta"):
            model = SyncMV4D(config)
        model.load_state_dict(weights, assign=True)
        save_model(folder.model, model, wan)


if __name__ == "__main__":
    sys.exit(main())
