"""The cost of a configuration, counted from its modules and tensor shapes: nothing is allocated or measured."""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import SyncMV4DConfig
from reference_model.cost.flops import Flops, Steps, count_flops, count_steps
from reference_model.cost.sizes import Memory, Parameters, Tokens, count_memory, count_parameters, count_tokens

__all__ = ["Cost", "Flops", "Memory", "Parameters", "Steps", "Tokens", "count_cost"]


@dataclass(frozen=True)
class Cost:
    """Everything that is counted."""

    parameters: Parameters
    tokens: Tokens
    flops: Flops
    steps: Steps
    memory: Memory


def count_cost(config: SyncMV4DConfig, gpus: int) -> Cost:
    """Count the cost of a configuration, trained on a number of GPUs."""
    flops = count_flops(config)
    return Cost(
        count_parameters(config), count_tokens(config), flops, count_steps(config, flops), count_memory(config, gpus)
    )
