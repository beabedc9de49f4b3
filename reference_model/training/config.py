"""Every number of training: what section 4.2 fixes, and what it leaves open, with our reason.

A launch configuration is a TOML file of these fields, with the model's in the table ``model``; ``launch/PRESET.toml`` is a preset's own.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hoibench.store.records import Record, parse_record
from reference_model.config import LITERAL, SyncMV4DConfig
from reference_model.config_fields import BELOW_ONE, COUNT, NOT_NEGATIVE, POSITIVE, check_ranges, ours, paper
from reference_model.config_json import changed
from reference_model.model import Stage

LAUNCH = Path(__file__).parent / "launch"


@dataclass(frozen=True)
class TrainingStage:
    """A stretch of training.

    Attributes:
        name: in logs.
        stage: ``warmup`` trains the two models separately, ``joint`` in the loop.
        iterations: how many.
        size: H and W of the videos; the latent cache of this size is read.
        data: share of the clips that are drawn from.
    """

    name: str
    stage: Stage
    iterations: int
    size: tuple[int, int]
    data: float = 1.0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"stage {self.name} has {self.iterations} iterations: expected 1 or more")
        if not 0 < self.data <= 1:
            raise ValueError(f"stage {self.name} takes {self.data} of the data: expected more than 0, at most 1")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses in their sum (Algorithm 1, line 12; equations 3 and 4, which print none)."""

    video: float = ours(1.0, "equation 3 has no weights", NOT_NEGATIVE)
    motion: float = ours(1.0, "equation 3 has no weights", NOT_NEGATIVE)
    scale: float = ours(1.0, "equation 3 has no weights; metres squared", NOT_NEGATIVE)
    points: float = ours(1.0, "equation 4 has no weights", NOT_NEGATIVE)
    chamfer: float = ours(1.0, "equation 4 has no weights", NOT_NEGATIVE)

    __post_init__ = check_ranges


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training.  No moving average of the weights is kept (not in paper).

    Raises:
        ValueError: a number is out of its range; names it.
    """

    __pydantic_config__ = Record.model_config

    stages: tuple[TrainingStage, ...] = field(metadata={"origin": "section 4.2; a launch configuration gives them"})
    seed: int = ours(0, "of the order of clips, the views drawn, noise and coins")
    batch: int = ours(1, "clips of V views a process; more does not fit beside 5 B", COUNT)
    learning_rate: float = ours(
        1e-5, "of the joint diffusion model, which starts from the base model's weights", POSITIVE
    )
    points_learning_rate: float = ours(1e-4, "of the points aligner, which starts from nothing", POSITIVE)
    betas: tuple[float, float] = ours((0.9, 0.95), "of AdamW, as usual for large transformers", BELOW_ONE)
    weight_decay: float = ours(0.01, "of AdamW", NOT_NEGATIVE)
    rate_warmup: int = ours(500, "iterations over which the rates rise from zero", NOT_NEGATIVE)
    decay: Literal["constant", "cosine"] = ours("constant", "of the rates after that, to a tenth at the end if cosine")
    clip: float = ours(1.0, "largest norm of all gradients", POSITIVE)
    weights: LossWeights = field(default_factory=LossWeights)
    precision: Literal["bf16", "fp32"] = paper("bf16", "section 4.2: mixed precision")
    gradient_checkpointing: bool = paper(True, "section 4.2")
    save_every: int = ours(500, "iterations from one checkpoint to the next", COUNT)
    keep: int = ours(2, "checkpoints; older ones are deleted", COUNT)
    log_every: int = ours(10, "iterations from one point of the loss curve to the next", COUNT)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.stages:
            raise ValueError("a training has no stages: expected at least one")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}: expected 0 or more, and less than 2**63")

    @property
    def iterations(self) -> int:
        """Of all stages."""
        return sum(stage.iterations for stage in self.stages)

    def stage_at(self, iteration: int) -> int:
        """Index of the stage that an iteration, counted from 0, belongs to."""
        for index, stage in enumerate(self.stages):
            iteration -= stage.iterations
            if iteration < 0:
                return index
        raise ValueError(f"the training has {self.iterations} iterations")

    def rate(self, iteration: int) -> float:
        """What both learning rates are multiplied by in an iteration."""
        rise = min(1.0, (iteration + 1) / max(self.rate_warmup, 1))
        if self.decay == "constant":
            return rise
        return rise * (0.55 + 0.45 * math.cos(math.pi * iteration / self.iterations))


class Launch(NamedTuple):
    """What a launch configuration describes: the model, on the grid of the last stage, and its training."""

    model: SyncMV4DConfig
    training: TrainingConfig


def launch_file(preset: str) -> Path:
    """The launch configuration of a preset, and of its twin that reads Algorithm 1 to the letter."""
    return LAUNCH / f"{preset.removesuffix(LITERAL)}.toml"


def read_launch(path: Path, preset: SyncMV4DConfig) -> Launch:
    """The training that a launch configuration describes, and the preset with the changes of its table ``model``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TOML, or a field is unknown, missing, of another type or out of its range; names file and field.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such launch configuration; {LAUNCH} has the presets' own")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    of_model = table.pop("model", {})
    training = parse_record(TrainingConfig, table, str(path))
    return Launch(_model(path, preset, of_model, training.stages), training)


def _model(path: Path, preset: SyncMV4DConfig, table: Any, stages: Sequence[TrainingStage]) -> SyncMV4DConfig:
    """The preset, changed, on the grid of the last stage; that of every stage is checked."""
    fixed = {"height", "width"} & table.keys() if isinstance(table, Mapping) else ()
    for name in sorted(fixed):
        raise ValueError(f"{path}: model.{name} is not taken here, expected it in the size of each stage: leave it out")
    model = changed(preset, str(path), table)
    for stage in stages:
        height, width = stage.size
        try:
            model = replace(model, height=height, width=width)
        except ValueError as error:
            raise ValueError(f"{path}: stage {stage.name}: {error}") from error
    return model
