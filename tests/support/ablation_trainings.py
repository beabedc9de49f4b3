"""Folders of finished trainings of the ablations' rows."""

import dataclasses
import shutil

from reference_model.ablations.trainings import Trainings
from reference_model.config import preset
from reference_model.training.config import launch_file, read_launch
from reference_model.training.run_folder import RunSettings


def add_training(out, name, weights, seed=0, processes=2, **changes):
    """Write the folder of a finished training of a row, as ``train`` does."""
    run = Trainings("micro", out).run_of(name, seed)
    launch = read_launch(launch_file(f"micro-{name}"), preset(f"micro-{name}"))
    settings = {
        "model": preset(f"micro-{name}"), "training": dataclasses.replace(launch.training, seed=seed), "engine": "ddp",
        "caches": {"128x192": "0" * 12}, "start": "model 123",
    }  # fmt: skip
    shutil.copytree(weights, run.model)
    RunSettings(**settings | changes).write(run.path / "run.json")
    run.append_session(0, processes)
    return run
