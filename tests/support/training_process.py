"""One process of tiny trainings, one after another, ``main([{"cache": ..., "out": ..., "engine": ...}, ...])``; ``started_trainings`` starts it.

What it saw of each is in OUT/rankR.json.  Of a training are told:

cache, out: folders
engine: ddp or zero3
training: changes to ``tiny_training.training``
kill_after: iterations after which the process kills itself
kill_in_save: whether it does so instead in the midst of the next checkpoint
slow: seconds between iterations
blind: whether processes other than the first see no checkpoint
nan: a clip whose motion is NaN
steep: an iteration in which the last process's gradients are no numbers
damaged: an iteration in which the last process finds its file of the cache damaged
full_memory: an iteration in which the last process's memory is full
full_disk: whether the first process cannot write its checkpoint
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
from tiny_training import open_tiny, prepared, training

from hoibench.cli.exit_codes import to_exit_code
from hoibench.errors import Crash
from reference_model.cache import LatentCache
from reference_model.cache.tensors import damaged
from reference_model.cycle.track_codec import TrackCodec
from reference_model.training import loop
from reference_model.training.data import TrainingData
from reference_model.training.engine import DataParallelEngine
from reference_model.training.world import World, joined

AGREED_ON = {"nan", "steep", "damaged", "full_disk"}
"""Faults that all processes end a training with together, so that they can go on to another one."""


def main(trainings) -> int:
    """Carry them out; the exit code."""

    def command(_) -> int:
        with joined("cpu") as world:
            endings = [one(asked, world) for asked in trainings]
        return 75 if "stopped" in endings else 0

    return to_exit_code(command, [])


def one(asked, world: World) -> str:
    """Carry out a training; how it ended."""
    out, config = Path(asked["out"]), training(**asked.get("training", {}))
    seen = {"world_size": dist.get_world_size(), "rank": dist.get_rank(), "clips": [], "guided": [], "found": 0}
    with ExitStack() as changes:
        for change in changed(asked, world, seen):
            changes.enter_context(change)
        engine = open_tiny(asked["engine"], config, world)
        noted(engine, asked, world, seen)
        job = prepared(out, config, LatentCache(Path(asked["cache"])), asked["engine"], world)
        try:
            ending = loop.train(job, engine, world, progress_of(asked))
        except (Crash, ValueError, OSError) as error:
            if not asked.keys() & AGREED_ON:
                raise
            ending = str(error)
        seen |= {"ending": ending, **held(engine)}
    (out / f"rank{world.rank}.json").write_text(json.dumps(seen))
    return ending


def changed(asked, world: World, seen):
    """What is different from an ordinary training, or is noted of it."""
    sample, tracks, load = TrainingData.sample, TrackCodec.decode_tracks, LatentCache.load

    def noting_clips(*arguments):
        if is_now("damaged", asked, world, len(seen["clips"])):
            raise damaged(Path("clip.safetensors"), "is shorter than it was written")
        drawn = sample(*arguments)
        seen["clips"].append(drawn.clips)
        return drawn

    def noting_found(*arguments):
        coarse, found = tracks(*arguments)
        seen["found"] += int(found.sum())
        return coarse, found

    def spoiled(cache, clip, view):
        loaded = load(cache, clip, view)
        return dataclasses.replace(loaded, z_motion=loaded.z_motion * torch.nan) if clip == asked["nan"] else loaded

    yield patch.object(TrainingData, "sample", noting_clips)
    yield patch.object(TrackCodec, "decode_tracks", noting_found)
    if "nan" in asked:
        yield patch.object(LatentCache, "load", spoiled)
    if asked.get("blind") and not world.leads:
        yield patch.object(loop, "latest_checkpoint", lambda folder: None)
    if asked.get("full_disk"):
        save = torch.save
        yield patch.object(torch, "save", lambda state, path: save(state, "/dev/full"))


def is_now(fault: str, asked, world: World, iteration: int) -> bool:
    """Whether this is the process, and the iteration, that a fault is asked for."""
    return world.rank == world.size - 1 and iteration == asked.get(fault)


def noted(engine, asked, world: World, seen) -> None:
    """Note which iterations are guided, and make one of them steep."""
    losses, step = engine.losses, engine.step

    def noting_losses(batch, noise, *arguments):
        if is_now("full_memory", asked, world, len(seen["guided"])):
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen["guided"].append(noise.guided)
        return losses(batch, noise, *arguments)

    def steep_step(loss, rate):
        now = is_now("steep", asked, world, len(seen["guided"]) - 1)
        return step(loss * torch.inf if now else loss, rate)

    engine.losses = noting_losses
    if "steep" in asked:
        engine.step = steep_step


def progress_of(asked):
    """What happens between iterations."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(what, done, total):
        time.sleep(asked.get("slow", 0))
        if done == asked.get("kill_after"):
            if not asked.get("kill_in_save"):
                die()
            save = DataParallelEngine.save
            DataParallelEngine.save = lambda *arguments: (save(*arguments), die())

    return progress


def held(engine):
    """The parameters that this process holds in float32: how many numbers, the sum of their squares, and what tells them from others."""
    whole = engine.name == "ddp"
    flat = torch.cat([part.detach().flatten() for part in (engine._model.parameters() if whole else shards(engine))])
    assert flat.dtype == torch.float32
    squares = float(flat.double().square().sum())
    return {"numbers": len(flat), "squares": squares, "digest": hashlib.sha256(flat.numpy().tobytes()).hexdigest()}


def shards(engine):
    """Of each parameter what this process's ZeRO-3 holds, without what fills the last shard up."""
    from deepspeed.utils import safe_get_local_fp32_param

    for parameter in engine._engine.module.parameters():
        shard = safe_get_local_fp32_param(parameter)
        yield shard[: max(0, parameter.ds_numel - dist.get_rank() * len(shard))]
