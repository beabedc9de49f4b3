"""The configuration of a training: values given in section 4.2 of the SyncMV4D paper, and values that it leaves open, with our reasons.

A launch configuration is a TOML file of these fields, with changes to the model in its table ``model``; ``launch/PRESET.toml`` is that of a preset.
"""

from __future__ import annotations

import math
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hoibench.store.records import Record, parse_record
from reference_model.ablations.rows import START
from reference_model.config import LITERAL, SyncMV4DConfig
from reference_model.config.changes import apply_changes
from reference_model.config.fields import BELOW_ONE, COUNT, NOT_NEGATIVE, POSITIVE, Range, check_ranges, ours, paper
from reference_model.cycle.batch import Networks
from reference_model.model import Objective

LAUNCH_FOLDER = Path(__file__).parent / "launch"

FRACTION = Range("more than 0, at most 1", lambda value: 0 < value <= 1)
SEED = Range("0 or more, and less than 2**63", lambda value: 0 <= value < 2**63)


@dataclass(frozen=True)
class TrainingStage:
    """One stage of training; section 4.2 of the SyncMV4D paper has several, of growing video size.

    Attributes:
        name: shown in logs and messages.
        objective: ``warmup`` trains diffusion model and points aligner separately; ``joint`` trains them with each other's outputs (Algorithm 1).
        iterations: number of iterations.
        size: height and width of the videos in pixels; selects the latent cache.
        data_fraction: fraction of the cache's clips to train on, more than 0, at most 1.
        networks: the networks to train: ``mjd``, ``dpa`` or ``both``.
        lr_scale: factor of both learning rates.
    """

    name: str
    objective: Objective
    iterations: int = field(metadata={"within": COUNT})
    size: tuple[int, int]
    data_fraction: float = field(default=1.0, metadata={"within": FRACTION})
    networks: Networks = "both"
    lr_scale: float = field(default=1.0, metadata={"within": POSITIVE})

    def __post_init__(self) -> None:
        check_ranges(self, f"stage {self.name}: ")


@dataclass(frozen=True)
class LossWeights:
    """Factors of the losses in their sum (Algorithm 1, line 12, of the SyncMV4D paper, whose equations 3 and 4 print no factors).

    Attributes:
        video, motion, depth_range, points, chamfer: factor of the loss of that name (``reference_model.cycle.losses.Losses``).
    """

    video: float = ours(1.0, "factor of this loss; equation 3 has none", NOT_NEGATIVE)
    motion: float = ours(1.0, "factor of this loss; equation 3 has none", NOT_NEGATIVE)
    depth_range: float = ours(1.0, "factor of this loss, which is in metres squared; equation 3 has none", NOT_NEGATIVE)
    points: float = ours(1.0, "factor of this loss; equation 4 has none", NOT_NEGATIVE)
    chamfer: float = ours(1.0, "factor of this loss; equation 4 has none", NOT_NEGATIVE)

    __post_init__ = check_ranges


@dataclass(frozen=True)
class TrainingConfig:
    """The configuration of a training; each field states its source or our reason.  No moving average of the weights is kept (the paper has none).

    Raises:
        ValueError: a value is out of its range.
    """

    __pydantic_config__ = Record.model_config

    stages: tuple[TrainingStage, ...] = field(metadata={"source": "section 4.2; a launch configuration gives them"})
    seed: int = ours(
        0, "random seed of the order of clips, the choice of views, noise, and whether guidance is computed", SEED
    )
    batch_size: int = ours(1, "clips of V views per process; more does not fit next to 5 B", COUNT)
    clusters: Literal["one", "all"] = ours(
        "one",
        "views of a clip for a model of one view: one, of a random cluster; all takes one of each cluster, as separate samples, and hence the views"
        " that a model of all clusters gets",
    )
    learning_rate: float = ours(
        1e-5, "learning rate of the joint diffusion model, which starts from the base model's weights", POSITIVE
    )
    dpa_learning_rate: float = ours(
        1e-4, "learning rate of the points aligner, which starts from random weights", POSITIVE
    )
    betas: tuple[float, float] = ours((0.9, 0.95), "betas of AdamW, as usual for large transformers", BELOW_ONE)
    weight_decay: float = ours(0.01, "weight decay of AdamW", NOT_NEGATIVE)
    lr_warmup_iterations: int = ours(
        500, "iterations over which the learning rates rise from zero at the start of each stage", NOT_NEGATIVE
    )
    lr_schedule: Literal["constant", "cosine"] = ours(
        "constant", "learning rate of each stage after its warm-up; cosine ends at a tenth"
    )
    max_grad_norm: float = ours(
        1.0, "largest gradient norm of each of the two models; larger ones are clipped", POSITIVE
    )
    loss_weights: LossWeights = field(default_factory=LossWeights)
    precision: Literal["bf16", "fp32"] = paper("bf16", "section 4.2: mixed precision")
    gradient_checkpointing: bool = paper(True, "section 4.2")
    save_every: int = ours(500, "iterations between checkpoints", COUNT)
    keep_checkpoints: int = ours(2, "number of newest checkpoints to keep; older ones are deleted", COUNT)
    log_every: int = ours(10, "iterations between entries of the loss curve", COUNT)

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a training has no stages: expected one or more")
        check_ranges(self)

    @property
    def iterations(self) -> int:
        """The number of iterations of all stages together."""
        return sum(stage.iterations for stage in self.stages)

    def stage_index(self, iteration: int) -> int:
        """Return the index in ``stages`` of the stage to which an iteration, counted from 0 over all stages, belongs."""
        return bisect_right(list(accumulate(stage.iterations for stage in self.stages)), iteration)

    def lr_factor(self, iteration: int) -> float:
        """Return the number that multiplies both learning rates in an iteration: in each stage a linear warm-up, then constant or cosine."""
        index = self.stage_index(iteration)
        stage, done = self.stages[index], iteration - sum(each.iterations for each in self.stages[:index])
        factor = stage.lr_scale * min(1.0, (done + 1) / max(self.lr_warmup_iterations, 1))
        if self.lr_schedule == "constant":
            return factor
        return factor * (0.55 + 0.45 * math.cos(math.pi * done / stage.iterations))


class Launch(NamedTuple):
    """A launch configuration that was read: the model's configuration, with the video size of the last stage, and that of its training."""

    model: SyncMV4DConfig
    training: TrainingConfig


def launch_file(preset: str) -> Path:
    """Return the path of the launch configuration of a preset of the model, the same for NAME and NAME_literal.

    That of the rows of the ablations is NAME-row, and of their common start NAME-start.
    """
    name, dash, row = preset.removesuffix(LITERAL).partition("-")
    ending = "" if not dash else "-start" if row == START else "-row"
    return LAUNCH_FOLDER / f"{name}{ending}.toml"


def read_launch(path: Path, preset: SyncMV4DConfig) -> Launch:
    """Read a launch configuration from a TOML file, whose table ``model`` changes fields of the model's preset.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not TOML, or a field is unknown, missing, of another type or out of its range; names file and field.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such launch configuration; {LAUNCH_FOLDER} has those of the presets")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    model_table = table.pop("model", {})
    training = parse_record(TrainingConfig, table, str(path))
    return Launch(_read_model(path, preset, model_table, training.stages), training)


def _read_model(path: Path, preset: SyncMV4DConfig, table: Any, stages: Sequence[TrainingStage]) -> SyncMV4DConfig:
    """Return the preset with the changes of ``table`` and the video size of the last stage; check that the model takes the size of every stage."""
    fixed = sorted({"height", "width"} & table.keys()) if isinstance(table, Mapping) else []
    if fixed:
        raise ValueError(f"{path}: model.{fixed[0]} is given by the size of each stage: leave it out here")
    model = apply_changes(preset, str(path), table)
    for stage in stages:
        height, width = stage.size
        try:
            model = replace(model, height=height, width=width)
        except ValueError as error:
            raise ValueError(f"{path}: stage {stage.name}: {error}") from error
    return model
