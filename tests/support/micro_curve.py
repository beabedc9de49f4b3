"""A short training of micro on 16 clips, whose loss curve a slow test compares; ``python tests/support/micro_curve.py PROCESSOR`` records it."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from reference_model.loading.model_folder import CHECKPOINTS
from reference_model.prepare import main as prepare
from reference_model.train import main as train
from reference_model.training.config import launch_file
from reference_model.training.loss_log import LossEntry, read_losses

CURVES = Path(__file__).parents[1] / "reference_model" / "training" / "micro_curves"
"""Folder of the recorded curves, one for each kind of processor: rounding differs, and its effect grows to 5 % in twelve iterations.

The name of the processor of ``first`` is not known."""
CLIPS = 16
SHORTER = {"iterations": 4, "lr_warmup_iterations": 2, "log_every": 1}
"""Values in micro's launch configuration that are changed; with so few iterations the learning rate must rise at once."""


def train_briefly(folder: Path) -> list[LossEntry]:
    """Prepare the clips with the shipped model's autoencoder and words, train in ``folder``, and return the loss curve."""
    launch, cache, parts = folder / "launch.toml", folder / "cache", CHECKPOINTS / "micro" / "model"
    text = launch_file("micro").read_text()
    for name, value in SHORTER.items():
        text = re.sub(rf"^{name} = \d+$", f"{name} = {value}", text, flags=re.MULTILINE)
    launch.write_text(text)
    shared = {"--preset": "micro", "--wan": parts, "--device": "cpu"}
    clips = {"--dataset": "synthetic", "--split": "train_large", "--limit": CLIPS, "--out": cache}
    training = {"--cache": cache, "--initial": "random", "--launch": launch, "--out": folder / "run"}
    for command, options in ((prepare, clips), (train, training)):
        words = [str(word) for pair in (shared | options).items() for word in pair]
        if code := command(words):
            raise RuntimeError(f"{command.__module__} {' '.join(words)} ended with {code}")
    return read_losses(folder / "run" / "losses.jsonl")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (CURVES / f"{sys.argv[1]}.jsonl").write_text("".join(entry.to_line() for entry in train_briefly(Path(folder))))
