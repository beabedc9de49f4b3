"""The cost of a model configuration: parameters, tokens, operations and memory, computed from tensor shapes, without allocating weights."""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import SyncMV4DConfig
from reference_model.cost.flops import Flops, Steps, count_flops, count_steps
from reference_model.cost.sizes import Memory, Parameters, Tokens, count_memory, count_parameters, count_tokens

__all__ = ["Cost", "Flops", "Memory", "Parameters", "Steps", "Tokens", "count_cost"]


@dataclass(frozen=True)
class Cost:
    """The cost of a model configuration.

    Attributes:
        parameters: numbers of parameters.
        tokens: numbers of tokens of one view.
        flops: floating-point operations of the parts, such as one forward of MJD.
        steps: floating-point operations of complete sampling and training steps.
        memory: bytes for one sample.
    """

    parameters: Parameters
    tokens: Tokens
    flops: Flops
    steps: Steps
    memory: Memory


def count_cost(config: SyncMV4DConfig, gpus: int) -> Cost:
    """Compute the cost of a model configuration, whose training state is divided among ``gpus`` GPUs."""
    flops = count_flops(config)
    return Cost(
        count_parameters(config), count_tokens(config), flops, count_steps(config, flops), count_memory(config, gpus)
    )
