"""One process of tiny trainings, one after another, ``main([{"cache": ..., "out": ..., "engine": ...}, ...])``; ``started_trainings`` starts it.

It writes a report on each to OUT/rankR.json.  Options of a training:

cache, out: folders
engine: ddp or zero3
training: changes to ``tiny_training.training_config``
kill_after: iterations after which the process kills itself
kill_in_save: if true, it kills itself during the next checkpoint instead
pause: seconds between iterations
hide_checkpoints: if true, processes other than the first find no checkpoint
nan_clip: a clip whose motion is NaN
infinite_gradient: an iteration in which the last process's gradients are infinite
damaged_file: an iteration in which the last process finds a damaged file of the cache
out_of_memory: an iteration in which the last process runs out of memory
full_disk: if true, the first process cannot write its checkpoint
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
import torch.distributed as dist
from tiny_training import build_job, open_tiny, training_config

from hoibench.cli.exit_codes import to_exit_code
from hoibench.errors import Crash
from reference_model.cache import LatentCache
from reference_model.cache.tensor_file import corrupt_file_error
from reference_model.cycle.track_codec import TrackCodec
from reference_model.training import loop
from reference_model.training.data import TrainingData
from reference_model.training.distributed import Processes, init_distributed
from reference_model.training.engine import DataParallelEngine

COMMON_FAULTS = {"nan_clip", "infinite_gradient", "damaged_file", "full_disk"}
"""Faults that end a training on all processes together, so that they can run another one."""


def main(trainings) -> int:
    """Run the trainings and return the exit code."""

    def command(_) -> int:
        with init_distributed("cpu") as group:
            endings = [run_training(options, group) for options in trainings]
        return 75 if "stopped" in endings else 0

    return to_exit_code(command, [])


def run_training(options, group: Processes) -> str:
    """Run a training and return how it ended."""
    out, config = Path(options["out"]), training_config(**options.get("training", {}))
    report = {"world_size": dist.get_world_size(), "rank": dist.get_rank(), "clips": [], "guided": [], "found": 0}
    with ExitStack() as patches:
        for each in build_patches(options, group, report):
            patches.enter_context(each)
        engine = open_tiny(options["engine"], config, group)
        wrap_engine(engine, options, group, report)
        job = build_job(out, config, LatentCache(Path(options["cache"])), options["engine"], group)
        try:
            ending = loop.train(job, engine, group, build_progress(options))
        except (Crash, ValueError, OSError) as error:
            if not options.keys() & COMMON_FAULTS:
                raise
            ending = str(error)
        report |= {"ending": ending, **describe_parameters(engine)}
    (out / f"rank{group.rank}.json").write_text(json.dumps(report))
    return ending


def build_patches(options, group: Processes, report):
    """Yield patches that record what the training does, or make it fail."""
    load_batch, tracks, load = TrainingData.load_batch, TrackCodec.decode_tracks, LatentCache.load

    def record_clips(*arguments):
        if is_due("damaged_file", options, group, len(report["clips"])):
            raise corrupt_file_error(Path("clip.safetensors"), "is shorter than it was written")
        loaded = load_batch(*arguments)
        report["clips"].append(loaded.clips)
        return loaded

    def record_found(*arguments):
        coarse, found = tracks(*arguments)
        report["found"] += int(found.sum())
        return coarse, found

    def load_nan(cache, clip, view):
        loaded = load(cache, clip, view)
        is_nan = clip == options["nan_clip"]
        return dataclasses.replace(loaded, z_motion=loaded.z_motion * torch.nan) if is_nan else loaded

    yield patch.object(TrainingData, "load_batch", record_clips)
    yield patch.object(TrackCodec, "decode_tracks", record_found)
    if "nan_clip" in options:
        yield patch.object(LatentCache, "load", load_nan)
    if options.get("hide_checkpoints") and not group.is_main:
        yield patch.object(loop, "find_latest_checkpoint", lambda folder: None)
    if options.get("full_disk"):
        save = torch.save
        yield patch.object(torch, "save", lambda state, path: save(state, "/dev/full"))


def is_due(fault: str, options, group: Processes, iteration: int) -> bool:
    """Return whether a fault is due in this iteration of this process."""
    return group.rank == group.size - 1 and iteration == options.get(fault)


def wrap_engine(engine, options, group: Processes, report) -> None:
    """Record which iterations are guided, and inject the engine's faults."""
    losses, step = engine.losses, engine.step

    def record_guided(batch, noise, *arguments):
        if is_due("out_of_memory", options, group, len(report["guided"])):
            raise torch.OutOfMemoryError("CUDA out of memory")
        report["guided"].append(noise.guided)
        return losses(batch, noise, *arguments)

    def infinite_step(loss, lr_factor):
        due = is_due("infinite_gradient", options, group, len(report["guided"]) - 1)
        return step(loss * torch.inf if due else loss, lr_factor)

    engine.losses = record_guided
    if "infinite_gradient" in options:
        engine.step = infinite_step


def build_progress(options):
    """Return a progress callback that pauses, or kills the process."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(stage, done, total):
        time.sleep(options.get("pause", 0))
        if done == options.get("kill_after"):
            if not options.get("kill_in_save"):
                die()
            save = DataParallelEngine.save
            DataParallelEngine.save = lambda *arguments: (save(*arguments), die())

    return progress


def describe_parameters(engine):
    """Return the count, sum of squares and digest of the float32 parameters that this process holds."""
    parameters = engine.model.parameters() if engine.name == "ddp" else find_shards(engine)
    flat = torch.cat([each.detach().flatten() for each in parameters])
    assert flat.dtype == torch.float32
    squares = float(flat.double().square().sum())
    return {"count": len(flat), "squares": squares, "digest": hashlib.sha256(flat.numpy().tobytes()).hexdigest()}


def find_shards(engine):
    """Yield this process's ZeRO-3 shard of each parameter, without padding."""
    from deepspeed.utils import safe_get_local_fp32_param

    for parameter in engine.model.parameters():
        shard = safe_get_local_fp32_param(parameter)
        yield shard[: max(0, parameter.ds_numel - dist.get_rank() * len(shard))]
