"""One process of a tiny training: ``python training_process.py CACHE OUT '{"engine": ..., ...}'``; what it saw is in OUT/rankR.json.

engine: ddp or zero3
training: changes to ``tiny_training.training``
kill_after: iterations after which the process kills itself
kill_in_save: whether it does so instead in the midst of the next checkpoint
slow: seconds between iterations
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch.distributed as dist
from tiny_training import run, training

from reference_model.cache import LatentCache
from reference_model.training.data import TrainingData
from reference_model.training.engine import DataParallelEngine
from reference_model.training.world import joined


def main() -> int:
    cache, out, asked = LatentCache(Path(sys.argv[1])), Path(sys.argv[2]), json.loads(sys.argv[3])
    clips = []
    sample = TrainingData.sample

    def noting(*arguments):
        drawn = sample(*arguments)
        clips.append(drawn.clips)
        return drawn

    TrainingData.sample = noting

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(what, done, total):
        time.sleep(asked.get("slow", 0))
        if done == asked.get("kill_after"):
            if not asked.get("kill_in_save"):
                die()
            save = DataParallelEngine.save
            DataParallelEngine.save = lambda *arguments: (save(*arguments), die())

    with joined("cpu") as world:
        ending = run(out, training(**asked.get("training", {})), cache, asked["engine"], None, progress, world)
        seen = {"world_size": dist.get_world_size(), "rank": dist.get_rank(), "clips": clips}
        (out / f"rank{world.rank}.json").write_text(json.dumps(seen))
    return 75 if ending == "stopped" else 0


if __name__ == "__main__":
    sys.exit(main())
